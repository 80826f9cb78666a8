package node

import (
	"crypto/ed25519"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/signtext"
	"sessiontool/lib/xeddsa"
)

// signatureWindow bounds the offset of a signed request's timestamp, as in storage RPC 2.8.
const signatureWindow = 60 * time.Second

// checkReader refuses a retrieve request that is not signed by the owner of pubKey: see rpc20.RetrieveParams. With
// allowUnsigned it accepts a request without a signature, but never one with a wrong signature.
func checkReader(pubKey string, params fields, now time.Time, allowUnsigned bool) error {
	if _, signed := params["signature"]; !signed && allowUnsigned {
		return nil
	}
	_, err := checkOwner(storage.MethodRetrieve, pubKey, params, now, func(milliseconds int64) []byte {
		return signtext.Retrieve(rpc28.NamespaceMessages, milliseconds)
	})
	return err
}

// checkOwner refuses a request that the owner of pubKey has not signed, with the answers of storage RPC 2.8. signed
// makes the text under the signature from the timestamp, which is returned, in milliseconds.
func checkOwner(
	method, pubKey string, params fields, now time.Time, signed func(milliseconds int64) []byte,
) (int64, error) {
	if _, ok := params["signature"]; !ok {
		return 0, unsigned(method)
	}
	timestamp := numberText(params["timestamp"])
	milliseconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || now.Sub(time.UnixMilli(milliseconds)).Abs() > signatureWindow {
		return 0, signedNotNow(method)
	}
	signer, ok := ownerKey(pubKey, params)
	if !ok {
		return 0, wronglySigned(method)
	}
	text, err := params.text("signature")
	if err != nil {
		return 0, err
	}
	signature, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil || len(signature) != xeddsa.SignatureSize ||
		!xeddsa.VerifyStrict(signer, signed(milliseconds), [xeddsa.SignatureSize]byte(signature)) {
		return 0, wronglySigned(method)
	}
	return milliseconds, nil
}

// The answers about signatures, as with storage RPC 2.8.

func unsigned(method string) error {
	return refuse(storage.StatusUnauthorized, "%s: request signature required", method)
}

func signedNotNow(method string) error {
	return refuse(storage.StatusBadTimestamp, "%s timestamp too far from current time", method)
}

func wronglySigned(method string) error {
	return refuse(storage.StatusUnauthorized, "%s signature verification failed", method)
}

// ownerKey returns the Ed25519 key that the request names, if it is the other form of pubKey.
func ownerKey(pubKey string, params fields) ([ed25519.PublicKeySize]byte, bool) {
	text, err := params.text("pubkey_ed25519")
	if err != nil {
		return [ed25519.PublicKeySize]byte{}, false
	}
	signer, ok := ring.ParseKey(text)
	if !ok {
		return signer, false
	}
	id, err := sessionid.Parse(pubKey)
	if err != nil {
		return signer, false
	}
	converted, err := sessionid.PublicKeyFromEd25519(signer)
	return signer, err == nil && converted.Equal(id.PublicKey())
}

// numberText returns the digits of a number that may be a JSON number, as of clients of 2.8, or a string.
func numberText(value gjson.Result) string { return strings.Trim(value.Raw, `"`) }

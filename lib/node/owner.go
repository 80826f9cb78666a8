package node

import (
	"crypto/ed25519"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"sessiontool/lib/rpc"
	"sessiontool/lib/sessionid"
)

// signatureWindow is how far the timestamp of a signed request may be off, as on today's network.
const signatureWindow = 60 * time.Second

// Answers about signatures, as on today's network.
var (
	errUnsigned     = refusal{rpc.StatusUnauthorized, "retrieve: request signature required"}
	errSignature    = refusal{rpc.StatusUnauthorized, "retrieve signature verification failed"}
	errSignedNotNow = refusal{rpc.StatusBadTimestamp, "retrieve timestamp too far from current time"}
)

// checkOwner refuses a retrieve request that is not signed by the owner of pubKey: see rpc.RetrieveParams. With
// allowUnsigned a request without a signature passes, but never one with a wrong signature.
func checkOwner(pubKey string, params fields, now time.Time, allowUnsigned bool) error {
	if _, signed := params["signature"]; !signed {
		if allowUnsigned {
			return nil
		}
		return errUnsigned
	}
	timestamp := numberText(params["timestamp"])
	milliseconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || now.Sub(time.UnixMilli(milliseconds)).Abs() > signatureWindow {
		return errSignedNotNow
	}
	signer, ok := ownerKey(pubKey, params)
	if !ok {
		return errSignature
	}
	text, err := params.text("signature")
	if err != nil {
		return err
	}
	signature, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil || !ed25519.Verify(signer[:], rpc.RetrieveSignatureText(rpc.NamespaceMessages, milliseconds), signature) {
		return errSignature
	}
	return nil
}

// ownerKey returns the Ed25519 key that the request names, if it is the other form of pubKey.
func ownerKey(pubKey string, params fields) ([ed25519.PublicKeySize]byte, bool) {
	text, err := params.text("pubkey_ed25519")
	if err != nil {
		return [ed25519.PublicKeySize]byte{}, false
	}
	signer, ok := decodeKey(text)
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

// numberText returns the digits of a number that today's clients write as a JSON number and ours as a string.
func numberText(value gjson.Result) string { return strings.Trim(value.Raw, `"`) }

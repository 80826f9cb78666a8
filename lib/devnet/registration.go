package devnet

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/x25519"
	"sessiontool/lib/xeddsa"
)

// registrationWindow bounds the clock offset of a registering node.
const registrationWindow = 5 * time.Minute

// ErrRegistration reports an announcement that the registry refuses.
var ErrRegistration = errors.New("registration refused")

// errRegistrationClock is the ErrRegistration about a timestamp.
var errRegistrationClock = fmt.Errorf(
	"%w: timestamp is off by more than %v: check your clock", ErrRegistration, registrationWindow,
)

// checkRegistration makes all checks that do not need the list. The X25519 key of a node cannot change: it must be the
// other form of the Ed25519 key.
func checkRegistration(params nodelist.RegisterParams, now time.Time) error {
	ed, err := decodeKey(params.PubkeyEd25519)
	if err != nil {
		return fmt.Errorf("%w: pubkey_ed25519 %w", ErrRegistration, err)
	}
	x, err := decodeKey(params.PubkeyX25519)
	if err != nil {
		return fmt.Errorf("%w: pubkey_x25519 %w", ErrRegistration, err)
	}
	if derived, err := sessionid.PublicKeyFromEd25519([32]byte(ed)); err != nil || derived != x25519.PublicKey(x) {
		return fmt.Errorf("%w: pubkey_x25519 is not the other form of pubkey_ed25519", ErrRegistration)
	}
	if ip := net.ParseIP(params.PublicIP); ip == nil || ip.IsUnspecified() || params.StoragePort == 0 {
		return fmt.Errorf("%w: no address to reach the node at", ErrRegistration)
	}
	if now.Sub(time.UnixMilli(params.TimestampMS)).Abs() > registrationWindow {
		return errRegistrationClock
	}
	signature, err := base64.StdEncoding.DecodeString(params.Signature)
	signed := nodelist.RegisterSignatureText(params)
	if err != nil || len(signature) != xeddsa.SignatureSize ||
		!xeddsa.VerifyStrict([32]byte(ed), signed, [xeddsa.SignatureSize]byte(signature)) {
		return fmt.Errorf("%w: signature is not the node's", ErrRegistration)
	}
	return nil
}

// decodeKey accepts lower case only, so that a node has one name.
func decodeKey(text string) ([]byte, error) {
	key, err := hex.DecodeString(text)
	if err != nil || len(key) != 32 || strings.ToLower(text) != text {
		return nil, errors.New("is not 64 lower-case hex digits")
	}
	return key, nil
}

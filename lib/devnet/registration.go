package devnet

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"sessiontool/lib/storage/nodelist"
)

// registrationWindow is how far the clock of a registering node may be off.
const registrationWindow = 5 * time.Minute

// ErrRegistration reports an announcement that the registry refuses.
var ErrRegistration = errors.New("registration refused")

// errRegistrationClock is the ErrRegistration about a timestamp.
var errRegistrationClock = fmt.Errorf("%w: timestamp is off by more than %v: check your clock", ErrRegistration, registrationWindow)

// checkRegistration checks all that can be told without the list. An X25519 key cannot change, since the signature
// covers it and a known node's is not overwritten.
func checkRegistration(params nodelist.RegisterParams, now time.Time) error {
	ed, err := decodeKey(params.PubkeyEd25519)
	if err != nil {
		return fmt.Errorf("%w: pubkey_ed25519 %w", ErrRegistration, err)
	}
	if _, err := decodeKey(params.PubkeyX25519); err != nil {
		return fmt.Errorf("%w: pubkey_x25519 %w", ErrRegistration, err)
	}
	if ip := net.ParseIP(params.PublicIP); ip == nil || ip.IsUnspecified() || params.StoragePort == 0 {
		return fmt.Errorf("%w: no address to reach the node at", ErrRegistration)
	}
	if now.Sub(time.UnixMilli(params.TimestampMS)).Abs() > registrationWindow {
		return errRegistrationClock
	}
	signature, err := base64.StdEncoding.DecodeString(params.Signature)
	if err != nil || !ed25519.Verify(ed, nodelist.RegisterSignatureText(params), signature) {
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

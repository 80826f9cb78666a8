// Package listing reads lists of service nodes: the answers of seeds, and files with one node record a line. Every node
// of a list has usable keys and an address.
package listing

import (
	"encoding/hex"
	"errors"

	"sessiontool/lib/swarm"
	"sessiontool/lib/x25519"
	"sessiontool/lib/xeddsa"
)

// Key is a node's Ed25519 public key, its name in onion layers.
type Key [32]byte

// String returns the key in lower-case hex.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// MarshalText writes the key in lower-case hex.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads 64 hex digits of any case.
func (k *Key) UnmarshalText(text []byte) error {
	key, err := ParseKey(string(text))
	*k = key
	return err
}

// ParseKey reads 64 hex digits of any case.
func ParseKey(text string) (Key, error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(Key{}) {
		return Key{}, errors.New("node key is not 64 hex digits")
	}
	return Key(raw), nil
}

// Node is a registered service node. Address is its name in swarm lists. Address is empty and SwarmID is
// [swarm.NoSwarm] if the seed did not give them.
type Node struct {
	Ed25519 Key           `json:"pubkey_ed25519"`
	X25519  Key           `json:"pubkey_x25519"`
	IP      string        `json:"ip"`
	Port    uint16        `json:"port"`
	Address string        `json:"address"`
	SwarmID swarm.SwarmID `json:"swarm_id"`
}

// UsableKeys reports whether a node may have these keys. With an Ed25519 key of low order any party could sign as the
// node, and with such an X25519 key no layer can be encrypted for it.
func UsableKeys(edKey, xKey Key) bool {
	return xeddsa.UsableKey(edKey) && !x25519.PublicKey(xKey).LowOrder()
}

package sessionid

import (
	"bytes"
	"encoding/hex"
	"os"
	"regexp"
	"testing"

	"sessiontool/lib/internal/vectors"
)

// TestVectorsKeys derives the keys of era C from every recorded seed. Seeds of 32 bytes are those of old accounts with
// 25 words. They need no zero bytes.
func TestVectorsKeys(t *testing.T) {
	var recording struct {
		Cases []struct {
			Seed vectors.Hex `json:"seed_hex"`
			EraC struct {
				Seed32     vectors.Hex `json:"seed32"`
				Ed25519    vectors.Hex `json:"ed25519_secret"`
				Ed25519Pub vectors.Hex `json:"ed25519_pub"`
				X25519     vectors.Hex `json:"x25519_priv"`
				SessionID  string      `json:"session_id"`
			} `json:"era_C"`
		}
	}
	vectors.Load(t, "mnemonic.json", &recording)
	for _, c := range recording.Cases {
		t.Run(hex.EncodeToString(c.Seed), func(t *testing.T) {
			keys := keysFromEd25519Seed(c.EraC.Seed32.Array32(t))
			if len(c.Seed) == len(Seed{}) {
				keys = KeysFromSeed(Seed(c.Seed))
			}
			if !bytes.Equal(keys.Ed25519[:], c.EraC.Ed25519) {
				t.Error("Ed25519 private key differs")
			}
			if public := keys.Ed25519Public(); !bytes.Equal(public[:], c.EraC.Ed25519Pub) {
				t.Errorf("Ed25519 public key %x, recorded %x", public, c.EraC.Ed25519Pub)
			}
			if !bytes.Equal(keys.X25519.Private[:], c.EraC.X25519) {
				t.Error("X25519 private key differs")
			}
			if got := keys.ID().String(); got != c.EraC.SessionID {
				t.Errorf("id %s, recorded %s", got, c.EraC.SessionID)
			}
			if mapped, err := PublicKeyFromEd25519(keys.Ed25519Public()); err != nil || mapped != keys.X25519.Public {
				t.Errorf("Ed25519 public key maps to %v (%v), want %v", mapped, err, keys.X25519.Public)
			}
		})
	}
}

// TestVectorsNodeKeys maps the keys of every service node in the recordings. Like an account, a node has one key in two
// forms.
func TestVectorsNodeKeys(t *testing.T) {
	pair := regexp.MustCompile(
		`pubkey_ed25519\\*": ?\\*"([0-9a-f]{64})\\*", ?\\*"pubkey_x25519\\*": ?\\*"([0-9a-f]{64})`,
	)
	for _, name := range []string{"node-2020.jsonl", "onion.json"} {
		t.Run(name, func(t *testing.T) {
			recording, err := os.ReadFile(vectors.Path(t, name))
			if err != nil {
				t.Fatal(err)
			}
			pairs := pair.FindAllSubmatch(recording, -1)
			if len(pairs) == 0 {
				vectors.Missing(t, "no node in the recording")
			}
			for _, found := range pairs {
				var ed vectors.Hex
				if err := ed.UnmarshalText(found[1]); err != nil {
					t.Fatal(err)
				}
				key, err := PublicKeyFromEd25519(ed.Array32(t))
				if err != nil || key.String() != string(found[2]) {
					t.Fatalf("%s maps to %v (%v), recorded %s", found[1], key, err, found[2])
				}
			}
		})
	}
}

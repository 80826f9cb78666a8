package sessionid_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

const text = "055bf55c73b82ebe22be80f3430667af570fae2556a6415e6b30d4065300aa947d"

func TestParse(t *testing.T) {
	id, err := sessionid.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	upper, err := sessionid.Parse(strings.ToUpper(text))
	if err != nil || upper != id {
		t.Errorf("upper case gives %v, %v", upper, err)
	}
	if id.String() != text {
		t.Errorf("String gives %s", id)
	}
	if "05"+id.PublicKey().String() != text {
		t.Errorf("PublicKey gives %v", id.PublicKey())
	}
	if sessionid.FromPublicKey(id.PublicKey()) != id {
		t.Error("FromPublicKey does not undo PublicKey")
	}
	if id.IsZero() || !(sessionid.ID{}).IsZero() {
		t.Error("IsZero is wrong")
	}
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":       "",
		"public key":    text[2:],
		"a line":        text + "\n",
		"other prefix":  "03" + text[2:],
		"not hex":       text[:65] + "g",
		"multi-byte":    text[:64] + "é",
		"twice as long": text + text,
	} {
		id, err := sessionid.Parse(text)
		if !errors.Is(err, sessionid.ErrInvalid) || !id.IsZero() {
			t.Errorf("%s: got %v, %v", name, id, err)
		}
	}
}

func TestIDInJSON(t *testing.T) {
	var record struct{ To sessionid.ID }
	if err := json.Unmarshal([]byte(`{"To":"`+strings.ToUpper(text)+`"}`), &record); err != nil {
		t.Fatal(err)
	}
	line, err := json.Marshal(record)
	if err != nil || string(line) != `{"To":"`+text+`"}` {
		t.Errorf("got %s, %v", line, err)
	}
	before := record
	if err := json.Unmarshal([]byte(`{"To":"05"}`), &record); !errors.Is(err, sessionid.ErrInvalid) {
		t.Errorf("a short id gives %v", err)
	}
	if record != before {
		t.Error("a refused id changed the value")
	}
}

func TestGenerateSeed(t *testing.T) {
	seed, err := sessionid.GenerateSeed(strings.NewReader("sixteen bytes..and more"))
	if err != nil || seed != sessionid.Seed([]byte("sixteen bytes..a")[:16]) {
		t.Errorf("got %x, %v", [16]byte(seed), err)
	}
	if _, err := sessionid.GenerateSeed(strings.NewReader("too short")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("short randomness gives %v", err)
	}
}

// The Ed25519 key is that of crypto/ed25519 for the same seed.
func TestKeysAreEd25519(t *testing.T) {
	for i := range 50 {
		seed := sessionid.Seed{byte(i), 7}
		want := ed25519.NewKeyFromSeed(append(seed[:], make([]byte, ed25519.SeedSize-len(seed))...))
		if got := sessionid.KeysFromSeed(seed).Ed25519; !want.Equal(ed25519.PrivateKey(got[:])) {
			t.Errorf("seed %d: another key", i)
		}
	}
}

func TestSign(t *testing.T) {
	keys := sessionid.KeysFromSeed(sessionid.Seed{1, 2, 3})
	message := []byte("retrieve1795391232497")
	signature, public := keys.Sign(message), keys.Ed25519Public()
	if !ed25519.Verify(public[:], message, signature[:]) {
		t.Error("signature does not verify")
	}
}

func TestPublicKeyFromEd25519Refuses(t *testing.T) {
	for name, public := range map[string][32]byte{
		"no point of the curve": {2},
		"neutral element":       {1},
		"point of order 4":      {},
	} {
		if key, err := sessionid.PublicKeyFromEd25519(public); !errors.Is(err, sessionid.ErrPublicKey) {
			t.Errorf("%s: got %v, %v", name, key, err)
		}
	}
}

// TestSecretsDoNotPrint formats keys in the ways a log line might, also inside another value.
func TestSecretsDoNotPrint(t *testing.T) {
	seed := sessionid.Seed(bytes.Repeat([]byte{0xab}, 16))
	keys := sessionid.KeysFromSeed(seed)
	secrets := []string{
		fmt.Sprintf("%x", [16]byte(seed)),
		fmt.Sprintf("%x", keys.Ed25519[:8]),
		fmt.Sprintf("%x", keys.X25519.Private[:8]),
		"171 171 171",
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		for _, value := range []any{seed, &seed, keys, []any{seed, keys.Ed25519}} {
			printed := fmt.Sprintf(verb, value)
			for _, secret := range secrets {
				if strings.Contains(strings.ToLower(printed), secret) {
					t.Errorf("%s of %T shows a secret", verb, value)
				}
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(text)
	f.Add(strings.ToUpper(text))
	f.Add("05")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := sessionid.Parse(text)
		if err != nil {
			return
		}
		if id.String() != strings.ToLower(text) {
			t.Errorf("%q became %s", text, id)
		}
		if !bytes.Equal(id.PublicKey().Encoded(), id[:]) || id[0] != x25519.Prefix {
			t.Errorf("%q has prefix %02x", text, id[0])
		}
	})
}

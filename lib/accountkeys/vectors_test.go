package accountkeys

import (
	"bytes"
	"crypto/ed25519"
	"crypto/mlkem"
	"crypto/sha512"
	"encoding/json"
	"errors"
	"testing"

	"sessiontool/lib/internal/bencode"
	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

// recordedAnswer is what libsession said of a published message.
type recordedAnswer struct {
	Accepted bool        `json:"accepted"`
	X        vectors.Hex `json:"X"`
	MFirst2  vectors.Hex `json:"M_first2"`
}

// recording is v2_account_keys.json.
type recording struct {
	Accounts []struct {
		Name        string      `json:"name"`
		Ed25519Seed vectors.Hex `json:"ed25519_seed"`
		Ed25519Pub  vectors.Hex `json:"ed25519_pub"`
		SignBit     int         `json:"ed25519_sign_bit"`
		SessionID   string      `json:"session_id"`
		Seed        vectors.Hex `json:"account_seed"`
		Expanded    vectors.Hex `json:"expanded"`
		keyPair
		X25519Private vectors.Hex    `json:"account_x25519_sec"`
		X25519Public  vectors.Hex    `json:"account_x25519_pub"`
		AsDeviceKeys  keyPair        `json:"as_device_keys"`
		Z             vectors.Hex    `json:"sign_random_Z"`
		SignedBody    vectors.Hex    `json:"signed_body"`
		Signature     vectors.Hex    `json:"signature"`
		Message       vectors.Hex    `json:"message"`
		Answer        recordedAnswer `json:"answer"`
		PlainMessage  vectors.Hex    `json:"plain_ed25519_message"`
		PlainAnswer   recordedAnswer `json:"plain_ed25519_answer"`
	} `json:"accounts"`
	ParseCases []struct {
		Name      string         `json:"name"`
		SessionID string         `json:"session_id"`
		Message   vectors.Hex    `json:"message"`
		Answer    recordedAnswer `json:"answer"`
	} `json:"parse_cases"`
	Lists []struct {
		Name      string          `json:"name"`
		SessionID string          `json:"session_id"`
		Messages  []vectors.Hex   `json:"messages"`
		Result    json.RawMessage `json:"result"`
	} `json:"lists"`
}

type keyPair struct {
	X25519Private vectors.Hex `json:"x25519_sec"`
	X25519Public  vectors.Hex `json:"x25519_pub"`
	KEMSeed       vectors.Hex `json:"mlkem768_seed"`
	KEMPublic     vectors.Hex `json:"mlkem768_pub"`
}

func (want keyPair) check(t *testing.T, key *Key) {
	t.Helper()
	public := key.Public()
	if !bytes.Equal(key.pair.Private[:], want.X25519Private) || !bytes.Equal(public.x[:], want.X25519Public) {
		t.Error("the X25519 key differs")
	}
	if !bytes.Equal(key.kem.Bytes(), want.KEMSeed) || !bytes.Equal(public.m[:], want.KEMPublic) {
		t.Error("the ML-KEM key differs")
	}
}

// keysOf returns the long-term keys of a recorded account, whose seed has 32 bytes.
func keysOf(seed []byte) sessionid.Keys {
	digest := sha512.Sum512(seed)
	return sessionid.Keys{
		Ed25519: sessionid.SigningKey(ed25519.NewKeyFromSeed(seed)),
		X25519:  x25519.NewKeyPair(x25519.Clamp(x25519.PrivateKey(digest[:32]))),
	}
}

func parseID(t *testing.T, text string) sessionid.ID {
	t.Helper()
	id, err := sessionid.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// Keys grow as recorded, and the message with the recorded randomness is the recorded one.
func TestVectorsAccounts(t *testing.T) {
	var recorded recording
	vectors.Load(t, "v2_account_keys.json", &recorded)
	for _, c := range recorded.Accounts {
		t.Run(c.Name, func(t *testing.T) {
			owner := keysOf(c.Ed25519Seed)
			if owner.ID().String() != c.SessionID {
				t.Fatalf("id %s", owner.ID())
			}
			key := Seed(c.Seed).AccountKey()
			want := keyPair{c.X25519Private, c.X25519Public, c.KEMSeed, c.KEMPublic}
			want.check(t, key)
			if got := append(key.pair.Private[:], key.kem.Bytes()...); !bytes.Equal(got, c.Expanded) {
				t.Error("the expanded seed differs")
			}
			c.AsDeviceKeys.check(t, Seed(c.Seed).DeviceKey())

			message, err := Publish(bytes.NewReader(c.Z), owner, key.Public())
			if err != nil || !bytes.Equal(message, c.Message) {
				t.Errorf("the published message differs (%v)", err)
			}
			checkAnswer(t, owner.ID(), c.Message, c.Answer)
			checkAnswer(t, owner.ID(), c.PlainMessage, c.PlainAnswer)
		})
	}
	if len(recorded.Accounts) == 0 {
		t.Error("no accounts are recorded")
	}
}

// weak reports whether a message that libsession accepts carries a key that cannot be used: computed from the key
// itself, with another method than NewPublic's.
func weak(t *testing.T, message []byte, answer recordedAnswer) bool {
	t.Helper()
	_, err := x25519.PrivateKey{5, 4, 3}.DH(x25519.PublicKey(answer.X.Array32(t)))
	dict := bencode.Open(message)
	m := dict.Bytes(kemKey)
	if dict.Err() != nil {
		t.Fatal(dict.Err())
	}
	_, kemErr := mlkem.NewEncapsulationKey768(m)
	return err != nil || kemErr != nil
}

func checkAnswer(t *testing.T, owner sessionid.ID, message []byte, answer recordedAnswer) {
	t.Helper()
	key, err := ParsePublished(owner, message)
	switch {
	case !answer.Accepted:
		if !errors.Is(err, ErrPublished) {
			t.Errorf("%v, libsession refuses the message", err)
		}
	case weak(t, message, answer):
		if !errors.Is(err, ErrPublicKey) {
			t.Errorf("%v for a weak key", err)
		}
	case err != nil:
		t.Errorf("%v, libsession accepts the message", err)
	default:
		if x, prefix := key.X25519(), key.Prefix(); !bytes.Equal(x[:], answer.X) ||
			!bytes.Equal(prefix[:], answer.MFirst2) {
			t.Errorf("read %s", key)
		}
	}
}

func TestVectorsParse(t *testing.T) {
	var recorded recording
	vectors.Load(t, "v2_account_keys.json", &recorded)
	for _, c := range recorded.ParseCases {
		t.Run(c.Name, func(t *testing.T) { checkAnswer(t, parseID(t, c.SessionID), c.Message, c.Answer) })
	}
	if len(recorded.ParseCases) == 0 {
		t.Error("no cases are recorded")
	}
}

// The last valid message counts. Where libsession's choice is a weak key, an earlier one or none counts here.
func TestVectorsLists(t *testing.T) {
	var recorded recording
	vectors.Load(t, "v2_account_keys.json", &recorded)
	for _, c := range recorded.Lists {
		t.Run(c.Name, func(t *testing.T) {
			owner, messages, lastIsWeak := parseID(t, c.SessionID), [][]byte{}, false
			for _, message := range c.Messages {
				messages = append(messages, message)
				if _, err := ParsePublished(owner, message); !errors.Is(err, ErrPublished) {
					lastIsWeak = err != nil // of those that libsession accepts
				}
			}
			key, found := LatestPublished(owner, messages)
			var winner struct{ X vectors.Hex }
			wantFound := json.Unmarshal(c.Result, &winner) == nil
			x := key.X25519()
			same := found == wantFound && (!found || bytes.Equal(x[:], winner.X))
			if same == lastIsWeak {
				t.Errorf("found %t, %s; recorded %s; its choice is weak: %t", found, key, c.Result, lastIsWeak)
			}
		})
	}
	if len(recorded.Lists) == 0 {
		t.Error("no lists are recorded")
	}
}

func TestVectorsRotation(t *testing.T) {
	var recorded struct {
		Rotation []struct {
			Seed     vectors.Hex `json:"seed"`
			DeviceID vectors.Hex `json:"device_id"`
			N        int         `json:"N"`
			Created  int64       `json:"created"`
			TNS      int64       `json:"t_ns"`
		} `json:"rotation"`
	}
	vectors.Load(t, "v2_device_group.json", &recorded)
	for i, c := range recorded.Rotation {
		entry := Entry{Seed: Seed(c.Seed), Created: c.Created}
		if got := entry.RotationDue(c.DeviceID.Array32(t), c.N).UnixNano(); got != c.TNS {
			t.Errorf("case %d: %d, recorded %d", i, got, c.TNS)
		}
	}
	if len(recorded.Rotation) == 0 {
		t.Error("no rotations are recorded")
	}
}

package v2message

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"errors"
	"slices"
	"testing"

	"sessiontool/lib/accountkeys"
	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

// recording is v2_message_pfs.json or v2_message_nopfs.json.
type recording struct {
	Accounts map[string]struct {
		Ed25519Seed vectors.Hex `json:"ed25519_seed"`
		SessionID   string      `json:"session_id"`
	} `json:"accounts"`
	AccountKeys []struct {
		Seed vectors.Hex `json:"seed"`
	} `json:"account_keys"`
	Messages []recordedMessage `json:"messages"`
	Failures []recordedFailure `json:"failures"`
}

type recordedMessage struct {
	Name       string       `json:"name"`
	Sender     string       `json:"sender"`
	Recipient  string       `json:"recipient"`
	AccountKey int          `json:"account_key"`
	Content    vectors.Hex  `json:"content"`
	ProSeed    *vectors.Hex `json:"pro_ed25519_seed"`
	Random     struct {
		E     vectors.Hex `json:"e"`
		Coins vectors.Hex `json:"mlkem_coins"`
		KI    vectors.Hex `json:"ki"`
		CT    vectors.Hex `json:"ct"`
	} `json:"random"`
	E    vectors.Hex `json:"E"`
	Kiss vectors.Hex `json:"kiss"`
	KI   vectors.Hex `json:"ki"`
	SSM  vectors.Hex `json:"ssm"`
	SSX  vectors.Hex `json:"ssx"`
	SSR  vectors.Hex `json:"ssr"`
	K    vectors.Hex `json:"k"`
	N    vectors.Hex `json:"n"`

	Inner        vectors.Hex    `json:"inner"`
	Message      vectors.Hex    `json:"message"`
	Result       recordedAnswer `json:"result"`
	ClientAnswer recordedAnswer `json:"client_answer"`
}

type recordedFailure struct {
	Name            string         `json:"name"`
	RecipientSeed   vectors.Hex    `json:"recipient_ed25519_seed"`
	RecipientID     string         `json:"recipient_session_id"`
	AccountKeySeeds []vectors.Hex  `json:"account_key_seeds"`
	Message         vectors.Hex    `json:"message"`
	DecryptFirst    recordedAnswer `json:"decrypt_with_first_key"`
	DecryptNoPFS    recordedAnswer `json:"decrypt_nopfs"`
	ClientAnswer    recordedAnswer `json:"client_answer"`
}

// recordedAnswer is an answer of the decrypt functions (OK, Class) or of the client (Received, Reason).
type recordedAnswer struct {
	OK       bool        `json:"ok"`
	Class    string      `json:"class"`
	Received bool        `json:"received"`
	Reason   string      `json:"reason"`
	PFS      bool        `json:"pfs_encrypted"`
	Content  vectors.Hex `json:"content"`
	Sender   string      `json:"sender_session_id"`
	Pro      vectors.Hex `json:"pro_signature"`
}

// check compares what was read with a recorded success.
func (want recordedAnswer) check(t *testing.T, got Message) {
	t.Helper()
	if !bytes.Equal(got.Content, want.Content) || got.Sender.String() != want.Sender ||
		!bytes.Equal(got.ProSignature, want.Pro) {
		t.Errorf("read %+v, recorded %+v", got, want)
	}
}

// checkClient compares the result of Open with what the client did.
func (want recordedAnswer) checkClient(t *testing.T, got Message, err error) {
	t.Helper()
	if want.Received {
		if err != nil || got.ForwardSecrecy != want.PFS {
			t.Errorf("forward secrecy %t, %v; recorded %t", got.ForwardSecrecy, err, want.PFS)
		}
		want.check(t, got)
		return
	}
	reasons := map[string]error{
		"bad_format": ErrFormat, "unknown_version": ErrVersion, "no_pfs_key": ErrNoKey, "v1_path": ErrNotV2,
	}
	expected, known := reasons[want.Reason]
	if !known {
		t.Fatalf("unknown reason %q", want.Reason)
	}
	if !errors.Is(err, expected) {
		t.Errorf("%v, recorded %s", err, want.Reason)
	}
}

// checkDecrypt compares an attempt with one form with what libsession's function for that form answered. One rule is
// ours: an ephemeral key of low order is ErrFormat at once, whatever the answer is.
func (want recordedAnswer) checkDecrypt(t *testing.T, got Message, err error, lowOrder bool) {
	t.Helper()
	switch {
	case lowOrder:
		if !errors.Is(err, ErrFormat) {
			t.Errorf("%v for an ephemeral key of low order", err)
		}
	case want.OK:
		if err != nil {
			t.Errorf("%v, recorded success", err)
		}
		want.check(t, got)
	case want.Class == "decrypt_failed":
		if !errors.Is(err, errDecrypt) {
			t.Errorf("%v, recorded %s", err, want.Class)
		}
	case want.Class == "format_error":
		if err == nil || errors.Is(err, errDecrypt) {
			t.Errorf("%v, recorded %s", err, want.Class)
		}
	default:
		t.Fatalf("unknown class %q", want.Class)
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

func hold(seeds ...vectors.Hex) (held []*accountkeys.Held) {
	for _, seed := range seeds {
		held = append(held, accountkeys.Hold(accountkeys.Entry{Seed: accountkeys.Seed(seed), Created: 1}))
	}
	return held
}

func (r recording) keys(t *testing.T, label string) sessionid.Keys {
	t.Helper()
	keys := keysOf(r.Accounts[label].Ed25519Seed)
	if keys.ID().String() != r.Accounts[label].SessionID {
		t.Fatalf("%s has the id %s", label, keys.ID())
	}
	return keys
}

func (r recording) heldKeys() (held []*accountkeys.Held) {
	for _, key := range r.AccountKeys {
		held = append(held, hold(key.Seed)...)
	}
	return held
}

func (m recordedMessage) draft(to sessionid.ID) Draft {
	draft := Draft{To: to, Content: m.Content}
	if m.ProSeed != nil {
		pro := sessionid.SigningKey(ed25519.NewKeyFromSeed(*m.ProSeed))
		draft.Pro = &pro
	}
	return draft
}

// checkKeys compares the derivation with the recorded steps.
func (m recordedMessage) checkKeys(t *testing.T, keys secretKeys) {
	t.Helper()
	if !bytes.Equal(keys.key[:], m.K) || !bytes.Equal(keys.nonce[:], m.N) {
		t.Error("key or nonce differs")
	}
}

// Every recorded message with forward secrecy is made from its randomness, byte for byte, and read.
func TestVectorsPFS(t *testing.T) {
	var recorded recording
	vectors.Load(t, "v2_message_pfs.json", &recorded)
	held := recorded.heldKeys()
	for _, m := range recorded.Messages {
		t.Run(m.Name, func(t *testing.T) {
			sender, recipient := recorded.keys(t, m.Sender), recorded.keys(t, m.Recipient)
			key := held[m.AccountKey].Key()
			random := bytes.NewReader(slices.Concat(m.Random.E, m.Random.Coins))
			message, err := Seal(random, sender, m.draft(recipient.ID()), key.Public())
			if err != nil || !bytes.Equal(message, m.Message) || random.Len() != 0 {
				t.Errorf("the sealed message differs (%v, %d bytes of randomness left)", err, random.Len())
			}
			m.checkKeys(t, pfsKeys(m.SSM.Array32(t), m.SSX.Array32(t), m.E.Array32(t), key.Public().X25519()))

			opener, err := newOpener(recipient, m.Message)
			if err != nil {
				t.Fatal(err)
			}
			mask := kiss(opener.shared, opener.ephemeral, recipient.X25519.Public)
			if !bytes.Equal(mask[:], m.Kiss) || opener.prefix() != held[m.AccountKey].Prefix {
				t.Errorf("mask %x, prefix %x", mask, opener.prefix())
			}
			got, err := opener.withKey(key)
			m.Result.checkDecrypt(t, got, err, false)
			got, err = Open(recipient, held, m.Message)
			m.ClientAnswer.checkClient(t, got, err)
		})
	}
	if len(recorded.Messages) == 0 {
		t.Error("no messages are recorded")
	}
}

func TestVectorsNoPFS(t *testing.T) {
	var recorded recording
	vectors.Load(t, "v2_message_nopfs.json", &recorded)
	held := recorded.heldKeys()
	for _, m := range recorded.Messages {
		t.Run(m.Name, func(t *testing.T) {
			sender, recipient := recorded.keys(t, m.Sender), recorded.keys(t, m.Recipient)
			random := bytes.NewReader(slices.Concat(m.Random.E, m.Random.KI, m.Random.CT))
			message, err := SealWithoutPFS(random, sender, m.draft(recipient.ID()))
			if err != nil || !bytes.Equal(message, m.Message) || random.Len() != 0 {
				t.Errorf("the sealed message differs (%v, %d bytes of randomness left)", err, random.Len())
			}
			m.checkKeys(t, plainKeys(m.SSR.Array32(t), m.E.Array32(t), recipient.X25519.Public))

			opener, err := newOpener(recipient, m.Message)
			if err != nil {
				t.Fatal(err)
			}
			got, err := opener.withoutPFS()
			m.Result.checkDecrypt(t, got, err, false)
			got, err = Open(recipient, held, m.Message)
			m.ClientAnswer.checkClient(t, got, err)
		})
	}
	if len(recorded.Messages) == 0 {
		t.Error("no messages are recorded")
	}
}

// Every recorded fault has the class that libsession gave it, with one form alone and in the client.
func TestVectorsFailures(t *testing.T) {
	for _, file := range []string{"v2_message_pfs.json", "v2_message_nopfs.json"} {
		t.Run(file, func(t *testing.T) {
			var recorded recording
			vectors.Load(t, file, &recorded)
			for _, c := range recorded.Failures {
				t.Run(c.Name, func(t *testing.T) {
					recipient, held := keysOf(c.RecipientSeed), hold(c.AccountKeySeeds...)
					if recipient.ID().String() != c.RecipientID {
						t.Fatalf("id %s", recipient.ID())
					}
					got, err := Open(recipient, held, c.Message)
					c.ClientAnswer.checkClient(t, got, err)

					opener, err := newOpener(recipient, c.Message)
					want := c.DecryptNoPFS
					if file == "v2_message_pfs.json" {
						want = c.DecryptFirst
					}
					if err == nil && file == "v2_message_pfs.json" {
						got, err = opener.withKey(held[0].Key())
					} else if err == nil {
						got, err = opener.withoutPFS()
					}
					want.checkDecrypt(t, got, err, hasLowOrderEphemeral(recipient, c.Message))
				})
			}
			if len(recorded.Failures) == 0 {
				t.Error("no failures are recorded")
			}
		})
	}
}

// hasLowOrderEphemeral computes from the data of a case whether our stricter rule applies to it.
func hasLowOrderEphemeral(recipient sessionid.Keys, message []byte) bool {
	if len(message) < MinSize || message[0] != 0 || message[1] != 2 {
		return false
	}
	_, err := recipient.X25519.DH(x25519.PublicKey(message[4:36]))
	return errors.Is(err, x25519.ErrLowOrder)
}

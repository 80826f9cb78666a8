package v2message

import (
	"bytes"
	"crypto/sha3"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"

	"sessiontool/lib/accountkeys"
	"sessiontool/lib/internal/bencode"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

var (
	alice = sessionid.KeysFromSeed(sessionid.Seed{1})
	bob   = sessionid.KeysFromSeed(sessionid.Seed{2})
)

// testRandom is an endless stream of bytes that label determines.
func testRandom(label string) io.Reader {
	shake := sha3.NewSHAKE256()
	shake.Write([]byte(label))
	return shake
}

// bobsKeys returns n held keys, of which the first is active.
func bobsKeys(n int) (held []*accountkeys.Held) {
	for i := range n {
		held = append(held, accountkeys.Hold(accountkeys.Entry{
			Seed: accountkeys.Seed{1: byte(i), 2: byte(i >> 8)}, Created: int64(n - i),
		}))
	}
	return held
}

func mustSeal(t testing.TB, key accountkeys.Public, content []byte) []byte {
	t.Helper()
	message, err := Seal(testRandom("seal"), alice, Draft{To: bob.ID(), Content: content}, key)
	if err != nil {
		t.Fatal(err)
	}
	return message
}

func mustSealPlain(t testing.TB, content []byte) []byte {
	t.Helper()
	message, err := SealWithoutPFS(testRandom("seal"), alice, Draft{To: bob.ID(), Content: content})
	if err != nil {
		t.Fatal(err)
	}
	return message
}

// The length of a message does not say which form it has, and little about its content.
func TestSizes(t *testing.T) {
	key := bobsKeys(1)[0].Key().Public()
	for _, c := range []struct{ content, message int }{
		{0, 1536}, {279, 1536}, {280, 1792}, {535, 1792}, {536, 2048}, {75_541, MaxSize},
	} {
		content := bytes.Repeat([]byte("x"), c.content)
		pfs, plain := mustSeal(t, key, content), mustSealPlain(t, content)
		if len(pfs) != c.message || len(plain) != c.message {
			t.Errorf("%d bytes of content make %d and %d", c.content, len(pfs), len(plain))
		}
	}
	for _, size := range []int{75_542, MaxSize, MaxSize + 1, 10 * MaxSize} {
		draft := Draft{To: bob.ID(), Content: make([]byte, size)}
		if _, err := Seal(testRandom("x"), alice, draft, key); !errors.Is(err, ErrTooLong) {
			t.Errorf("%d bytes: %v", size, err)
		}
		if _, err := SealWithoutPFS(testRandom("x"), alice, draft); !errors.Is(err, ErrTooLong) {
			t.Errorf("%d bytes without PFS: %v", size, err)
		}
	}
}

func TestOpenFindsTheKey(t *testing.T) {
	held := bobsKeys(5)
	for i, h := range held {
		message := mustSeal(t, h.Key().Public(), []byte("content"))
		got, err := Open(bob, held, message)
		if err != nil || string(got.Content) != "content" || got.Sender != alice.ID() || !got.ForwardSecrecy {
			t.Errorf("key %d: %+v, %v", i, got, err)
		}
		if _, err := Open(bob, append(held[:i:i], held[i+1:]...), message); !errors.Is(err, ErrNoKey) {
			t.Errorf("without key %d: %v", i, err)
		}
		if _, err := Open(alice, held, message); !errors.Is(err, ErrNoKey) {
			t.Errorf("key %d in another account: %v", i, err)
		}
	}
	got, err := Open(bob, nil, mustSealPlain(t, []byte("plain")))
	if err != nil || string(got.Content) != "plain" || got.ForwardSecrecy {
		t.Errorf("%+v, %v", got, err)
	}
}

// A key whose prefix matches by chance is tried and passed over, in both orders.
func TestOpenPassesOverAFalseMatch(t *testing.T) {
	held := bobsKeys(2)
	right, wrong := held[0], accountkeys.HoldKnown(held[1].Entry, held[0].Prefix)
	message := mustSeal(t, right.Key().Public(), []byte("content"))
	for _, order := range [][]*accountkeys.Held{{right, wrong}, {wrong, right}} {
		if got, err := Open(bob, order, message); err != nil || !got.ForwardSecrecy {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if _, err := Open(bob, []*accountkeys.Held{wrong}, message); !errors.Is(err, ErrNoKey) {
		t.Errorf("only the wrong key: %v", err)
	}
}

// The long-term key alone, which is all that the words of an account give, opens nothing that was sealed with PFS.
func TestLongTermKeyAloneOpensNothing(t *testing.T) {
	message := mustSeal(t, bobsKeys(1)[0].Key().Public(), []byte("content"))
	if got, err := Open(bob, nil, message); !errors.Is(err, ErrNoKey) || got.Content != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

// Every changed bit either keeps the message from opening or is one that the form leaves open.
func TestChangedBits(t *testing.T) {
	held := bobsKeys(1)
	message := mustSeal(t, held[0].Key().Public(), []byte("content"))
	for at := 0; at < len(message); at += 7 {
		changed := bytes.Clone(message)
		changed[at] ^= 0x10
		if got, err := Open(bob, held, changed); err == nil {
			t.Errorf("byte %d: opens as %q", at, got.Content)
		}
	}
}

func TestOuterForm(t *testing.T) {
	held := bobsKeys(1)
	message := mustSeal(t, held[0].Key().Public(), []byte("content"))
	for name, c := range map[string]struct {
		change func([]byte) []byte
		want   error
	}{
		"empty":              {func([]byte) []byte { return nil }, ErrFormat},
		"protobuf":           {func(m []byte) []byte { m[0] = 8; return m }, ErrNotV2},
		"one byte":           {func(m []byte) []byte { return m[:1] }, ErrVersion},
		"next version":       {func(m []byte) []byte { m[1] = 3; return m }, ErrVersion},
		"first version":      {func(m []byte) []byte { m[1] = 1; return m }, ErrVersion},
		"version alone":      {func(m []byte) []byte { return m[:2] }, ErrFormat},
		"a byte short":       {func(m []byte) []byte { return m[:MinSize-1] }, ErrFormat},
		"ephemeral of zeros": {func(m []byte) []byte { clear(m[4:36]); return m }, ErrFormat},
	} {
		if _, err := Open(bob, held, c.change(bytes.Clone(message))); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSealRefuses(t *testing.T) {
	key := bobsKeys(1)[0].Key().Public()
	lowOrder := Draft{To: sessionid.FromPublicKey(x25519.PublicKey{})}
	if _, err := Seal(testRandom("x"), alice, lowOrder, key); !errors.Is(err, x25519.ErrLowOrder) {
		t.Errorf("recipient of low order: %v", err)
	}
	if _, err := SealWithoutPFS(testRandom("x"), alice, lowOrder); !errors.Is(err, x25519.ErrLowOrder) {
		t.Errorf("recipient of low order, without PFS: %v", err)
	}
	draft := Draft{To: bob.ID()}
	if _, err := Seal(testRandom("x"), alice, draft, accountkeys.Public{}); !errors.Is(err, accountkeys.ErrPublicKey) {
		t.Errorf("no key: %v", err)
	}
	for have := range 64 {
		if _, err := Seal(io.LimitReader(testRandom("x"), int64(have)), alice, draft, key); err == nil {
			t.Errorf("%d bytes of randomness were enough", have)
		}
	}
	if _, err := SealWithoutPFS(io.LimitReader(testRandom("x"), 32+2+1087), alice, draft); err == nil {
		t.Error("too little randomness was enough")
	}
}

// Faults inside the encryption end the search: no other key is tried, and no fallback.
func TestInnerFaults(t *testing.T) {
	good := string(appendInner(nil, alice, Draft{To: bob.ID(), Content: []byte("content")}))
	for name, inner := range map[string]string{
		"nothing":               "",
		"no end":                strings.TrimSuffix(good, "e"),
		"text behind":           good + "x",
		"zero in front":         "\x00" + good,
		"another content":       strings.Replace(good, "content", "contend", 1),
		"for another recipient": string(appendInner(nil, alice, Draft{To: alice.ID(), Content: []byte("content")})),
		"short Pro signature":   strings.TrimSuffix(good, "e") + "2:~P1:xe",
		"unsorted":              "d1:c1:x" + good[1:],
		"sender of low order": strings.Replace(good, string(alice.Ed25519[32:]), "\x01"+strings.Repeat("\x00", 31),
			1),
		"sender off the curve": strings.Replace(good, string(alice.Ed25519[32:]), "\x02"+strings.Repeat("\x00", 31),
			1),
		"signature over an S only": "d1:S32:" + string(alice.Ed25519[32:]) + "e",
	} {
		if _, err := parseInner(bob.ID(), []byte(inner)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
		message := mustSealRaw(t, []byte(inner))
		if _, err := Open(bob, nil, message); !errors.Is(err, ErrFormat) {
			t.Errorf("%s, sealed: %v", name, err)
		}
	}
}

// mustSealRaw encrypts any text for bob, without forward secrecy.
func mustSealRaw(t testing.TB, inner []byte) []byte {
	t.Helper()
	message := mustSealPlain(t, nil)[:bodyAt]
	shared, err := bob.X25519.DH(x25519.PublicKey(message[ephemeralAt:ciphertextAt]))
	if err != nil {
		t.Fatal(err)
	}
	keys := plainKeys(shared, x25519.PublicKey(message[ephemeralAt:ciphertextAt]), bob.X25519.Public)
	aead, err := chacha20poly1305.NewX(keys.key[:])
	if err != nil {
		t.Fatal(err)
	}
	padded := make([]byte, max(MinSize-bodyAt-chacha20poly1305.Overhead, len(inner)))
	copy(padded, inner)
	return aead.Seal(message, keys.nonce[:], padded, nil)
}

// FuzzInner: whatever alice signs is refused, or is written and read again as the same. The fuzzer changes the text and
// what follows the signature, and the test signs.
func FuzzInner(f *testing.F) {
	inner := appendInner(nil, alice, Draft{To: bob.ID(), Content: []byte("content")})
	signed := inner[:len(inner)-len("1:~64:")-64-1]
	f.Add(signed, []byte("e"))
	f.Add(signed, append(append([]byte("1:~1:x2:~P64:"), make([]byte, 64)...), "e\x00"...))
	f.Add([]byte("d1:S32:"), []byte("1:xe"))
	f.Fuzz(func(t *testing.T, signed, behind []byte) {
		signature := alice.Sign(signedHash(bob.ID(), signed))
		text := append(bencode.AppendPair(bytes.Clone(signed), signatureKey, signature[:]), behind...)
		read, err := parseInner(bob.ID(), text)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		if read.SenderEd25519 != alice.Ed25519Public() || read.Sender != alice.ID() {
			t.Fatalf("accepted a signature by %x", read.SenderEd25519)
		}
		written := appendInner(nil, alice, Draft{To: bob.ID(), Content: read.Content})
		again, err := parseInner(bob.ID(), written)
		if err != nil || !bytes.Equal(again.Content, read.Content) || again.Sender != read.Sender {
			t.Fatalf("%+v became %+v: %v", read, again, err)
		}
	})
}

// FuzzOpen: any message has one of the four verdicts, and what opens was sealed.
func FuzzOpen(f *testing.F) {
	held := bobsKeys(2)
	f.Add(mustSeal(f, held[0].Key().Public(), []byte("content")))
	f.Add(mustSealPlain(f, []byte("content")))
	f.Add([]byte{0, 2})
	f.Fuzz(func(t *testing.T, message []byte) {
		opened, err := Open(bob, held, message)
		if err == nil {
			if opened.Sender != alice.ID() {
				t.Fatalf("a message from %s", opened.Sender)
			}
			return
		}
		for _, class := range []error{ErrFormat, ErrNotV2, ErrVersion, ErrNoKey} {
			if errors.Is(err, class) {
				return
			}
		}
		t.Fatal(err)
	})
}

func ExampleOpen() {
	key := accountkeys.Hold(accountkeys.Entry{Seed: accountkeys.Seed{1}, Created: 1_777_700_000})
	draft := Draft{To: bob.ID(), Content: []byte("serialised content")}
	message, err := Seal(testRandom("example"), alice, draft, key.Key().Public())
	if err != nil {
		fmt.Println(err)
	}
	opened, err := Open(bob, []*accountkeys.Held{key}, message)
	fmt.Println(len(message), string(opened.Content), opened.Sender == alice.ID(), opened.ForwardSecrecy, err)
	// Output: 1536 serialised content true true <nil>
}

package v2message

import (
	"crypto/mlkem"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"sessiontool/lib/x25519"
	"sessiontool/lib/xeddsa"
)

// content is a text message of ordinary length.
var content = make([]byte, 200)

// ratios runs ours and each of others in turn, so that all meet the same load of the machine, and reports the ratio of
// the median times.
func ratios(b *testing.B, ours func(), others map[string]func()) {
	b.ReportAllocs()
	var own []time.Duration
	times := map[string][]time.Duration{}
	measure := func(f func()) time.Duration {
		start := time.Now()
		f()
		return time.Since(start)
	}
	median := func(times []time.Duration) float64 {
		slices.Sort(times)
		return float64(times[len(times)/2])
	}
	for b.Loop() {
		own = append(own, measure(ours))
		for name, other := range others {
			times[name] = append(times[name], measure(other))
		}
	}
	b.ReportMetric(0, "ns/op") // of all together, which says nothing
	b.ReportMetric(median(own)/1e3, "us")
	for name, other := range times {
		b.ReportMetric(median(own)/median(other), "x-"+name)
	}
}

// must ends a benchmark at an error.
func must[T any](b *testing.B) func(T, error) T {
	return func(value T, err error) T {
		if err != nil {
			b.Fatal(err)
		}
		return value
	}
}

// Seal against the operations that no implementation can do without: three of X25519, one of ML-KEM with the reading of
// the key, the encryption; and the signature.
func BenchmarkSeal(b *testing.B) {
	random := testRandom("bench")
	public := bobsKeys(1)[0].Key().Public()
	m := public.KEM()
	body := make([]byte, MinSize-bodyAt-chacha20poly1305.Overhead, MinSize)
	operations := func() {
		pair := must[x25519.KeyPair](b)(x25519.GenerateKey(random))
		must[secret](b)(pair.DH(bob.X25519.Public))
		must[secret](b)(pair.DH(public.X25519()))
		kem := must[*mlkem.EncapsulationKey768](b)(mlkem.NewEncapsulationKey768(m[:]))
		shared, _ := kem.Encapsulate()
		aead, err := chacha20poly1305.NewX(shared)
		if err != nil {
			b.Fatal(err)
		}
		aead.Seal(body[:0], make([]byte, chacha20poly1305.NonceSizeX), body, nil)
	}
	ratios(b, func() {
		must[[]byte](b)(Seal(random, alice, Draft{To: bob.ID(), Content: content}, public))
	}, map[string]func(){
		"of-operations":               operations,
		"of-operations-and-signature": func() { operations(); alice.Sign(content) },
	})
}

// Open with 41 held keys, of which the last is the right one, against one held key, and against the operations that no
// implementation can do without: two of X25519, one of ML-KEM, the decryption; and the signature.
func BenchmarkOpen(b *testing.B) {
	held := bobsKeys(41)
	key := held[40].Key()
	message := mustSeal(b, key.Public(), content)
	kemKey := must[*mlkem.DecapsulationKey768](b)(mlkem.NewDecapsulationKey768(make([]byte, mlkem.SeedSize)))
	pair := x25519.NewKeyPair(x25519.PrivateKey{1})
	aead, err := chacha20poly1305.NewX(make([]byte, chacha20poly1305.KeySize))
	if err != nil {
		b.Fatal(err)
	}
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	sealed := aead.Seal(nil, nonce, make([]byte, MinSize-bodyAt-chacha20poly1305.Overhead), nil)
	signature := alice.Sign(content)
	ephemeral := x25519.PublicKey(message[ephemeralAt:ciphertextAt])
	operations := func() {
		must[secret](b)(bob.X25519.DH(ephemeral))
		must[secret](b)(pair.DH(ephemeral))
		must[[]byte](b)(kemKey.Decapsulate(message[ciphertextAt:bodyAt]))
		must[[]byte](b)(aead.Open(nil, nonce, sealed, nil))
	}
	ratios(b, func() { must[Message](b)(Open(bob, held, message)) }, map[string]func(){
		"of-1-key":      func() { must[Message](b)(Open(bob, held[40:], message)) },
		"of-operations": operations,
		"of-operations-and-signature": func() {
			operations()
			if !xeddsa.VerifyStrict(alice.Ed25519Public(), content, signature) {
				b.Fatal("the signature is refused")
			}
		},
	})
}

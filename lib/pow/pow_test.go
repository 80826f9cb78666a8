package pow_test

import (
	"crypto/sha512"
	"math"
	"math/big"
	"testing"

	"sessiontool/lib/pow"
)

func TestInner(t *testing.T) {
	m := pow.Message{PubKey: "05ab", Timestamp: "1581400000000", TTL: "86400000", Data: "61Xhykn9"}
	want := sha512.Sum512([]byte("1581400000000" + "86400000" + "05ab" + "61Xhykn9"))
	if m.Inner() != want {
		t.Errorf("got %x, want %x", m.Inner(), want)
	}
	if m.PayloadLen() != 33 {
		t.Errorf("payload has %d bytes", m.PayloadLen())
	}
}

func TestTarget(t *testing.T) {
	const day = 24 * 3600 * 1000
	tests := []struct {
		name                  string
		payloadLen            int
		ttlMillis, difficulty uint64
		expected, target      uint64
	}{
		{"a day", 92, day, 1, 231, math.MaxUint64 / 231}, // 100 + 86400*100/65535
		{"ten times as hard", 92, day, 10, 2310, math.MaxUint64 / 2310},
		{"less than a second counts nothing", 92, 999, 1, 100, math.MaxUint64 / 100},
		{"empty message", 0, 0, 1, 8, math.MaxUint64 / 8},
		{"difficulty 0 counts as 1", 92, day, 0, 231, math.MaxUint64 / 231},
		{"hardest that can be met", 0, 0, math.MaxUint64 / 8, math.MaxUint64 - 7, 1},
		{"difficulty too great", 0, 0, math.MaxUint64/8 + 1, math.MaxUint64, 0},
		{"everything too great", math.MaxInt, math.MaxUint64, math.MaxUint64, math.MaxUint64, 0},
		{"as much as 65 535 times 2^64", 1<<62 - 8, 4 * math.MaxUint16 * 1000, 1, math.MaxUint64, 0},
		{"no length at all", math.MinInt, 0, 1, 8, math.MaxUint64 / 8},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := pow.Expected(test.payloadLen, test.ttlMillis, test.difficulty); got != test.expected {
				t.Errorf("expected %d hashes, want %d", got, test.expected)
			}
			if got := pow.Target(test.payloadLen, test.ttlMillis, test.difficulty); got != test.target {
				t.Errorf("target %d, want %d", got, test.target)
			}
		})
	}
}

// FuzzTarget compares Target with the formula in big integers.
func FuzzTarget(f *testing.F) {
	f.Add(92, uint64(86400000), uint64(10))
	f.Add(math.MaxInt, uint64(math.MaxUint64), uint64(math.MaxUint64))
	f.Add(0, uint64(math.MaxUint64), uint64(1))
	f.Add(math.MaxInt, uint64(131072000), uint64(1))
	f.Fuzz(func(t *testing.T, payloadLen int, ttlMillis, difficulty uint64) {
		if payloadLen < 0 {
			payloadLen = 0
		}
		n := func(v uint64) *big.Int { return new(big.Int).SetUint64(v) }
		total := n(uint64(payloadLen))
		total.Add(total, n(8))
		divisor := n(ttlMillis / 1000)
		divisor.Mul(divisor, total).Quo(divisor, n(65535)).Add(divisor, total).Mul(divisor, n(max(difficulty, 1)))

		expected, target := uint64(math.MaxUint64), uint64(0)
		if divisor.IsUint64() {
			expected = divisor.Uint64()
			target = math.MaxUint64 / expected
		}
		if got := pow.Expected(payloadLen, ttlMillis, difficulty); got != expected {
			t.Errorf("expected %d hashes, want %d", got, expected)
		}
		if got := pow.Target(payloadLen, ttlMillis, difficulty); got != target {
			t.Errorf("target %d, want %d", got, target)
		}
	})
}

// TestMeets: server and client differ for a hash equal to the target.
func TestMeets(t *testing.T) {
	hash := [64]byte{0, 0, 0, 0, 0, 0, 1, 0, 0xff}
	for target, want := range map[uint64]bool{0xff: false, 0x100: false, 0x101: true, 0: false, math.MaxUint64: true} {
		if got := pow.Meets(hash, target); got != want {
			t.Errorf("target %x: got %v", target, got)
		}
	}
}

func TestHash(t *testing.T) {
	inner := pow.Message{Data: "text"}.Inner()
	for _, nonce := range [][]byte{nil, {1, 2, 3}, make([]byte, 8), make([]byte, 1000)} {
		if got, want := pow.Hash(nonce, inner),
			sha512.Sum512(append(nonce[:len(nonce):len(nonce)], inner[:]...)); got != want {
			t.Errorf("nonce of %d bytes: got %x, want %x", len(nonce), got, want)
		}
	}
}

// TestVerifyTTL: a server reads the number in a text like C, and hashes the whole text.
func TestVerifyTTL(t *testing.T) {
	for ttl, readable := range map[string]bool{
		"86400000":             true,
		"086400000":            true,
		" \t86400000":          true,
		"+86400000":            true,
		"86400000abc":          true,
		"0":                    true,
		"9":                    true,
		"":                     false,
		"abc":                  false,
		"-86400000":            false,
		"+ 86400000":           false,
		"18446744073709551616": false,
	} {
		m := pow.Message{PubKey: "05ab", Timestamp: "1581400000000", TTL: ttl, Data: "61Xhykn9"}
		nonce, met := make([]byte, 8), false
		for tries := 0; tries < 5000 && !met; tries++ {
			nonce[6], nonce[7] = byte(tries>>8), byte(tries)
			var hash [64]byte
			hash, met = pow.Verify(m, nonce, 1)
			if hash != pow.Hash(nonce, m.Inner()) {
				t.Fatalf("ttl %q: hash differs", ttl)
			}
		}
		if met != readable {
			t.Errorf("ttl %q: a nonce was found: %v", ttl, met)
		}
	}
}

package blake2b

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/blake2b"
)

// Without a personalisation the digest is that of golang.org/x/crypto, for every size, with and without a key, and for
// lengths around the block size.
func TestSumWithoutPersonalisation(t *testing.T) {
	data := make([]byte, 3*blake2b.BlockSize+1)
	for i := range data {
		data[i] = byte(i)
	}
	for size := 1; size <= MaxSize; size++ {
		for _, key := range [][]byte{nil, data[:1], data[:33], data[:64]} {
			for _, length := range []int{0, 1, 127, 128, 129, 256, len(data)} {
				reference, err := blake2b.New(size, key)
				if err != nil {
					t.Fatal(err)
				}
				reference.Write(data[:length])
				want := reference.Sum(nil)
				if got := Sum(size, key, "", data[:length/2], data[length/2:length]); !bytes.Equal(got, want) {
					t.Fatalf("size %d, key of %d, input of %d: %x, want %x", size, len(key), length, got, want)
				}
			}
		}
	}
}

// The expected digests come from Python's hashlib.blake2b(data, digest_size=..., key=..., person=...).
func TestSumWithPersonalisation(t *testing.T) {
	for _, c := range []struct {
		size           int
		key, data      string
		personal, want string
	}{
		{2, strings.Repeat("k", 0), "", "Session-Msg-KISS",
			"1542"},
		{64, strings.Repeat("k", 0), "abc", "SessionV2Message",
			"eae1a2c94cc4dd54c3e6ec5c02c4cf912672bfd84b66ebbc99d9d6637c98e05f06190cbc78096d57797bc433119aa361ecd137a94b87df28d2c2f92f5a99f6a6"},
		{64, strings.Repeat("k", 33), "abc", "SessionV2Message",
			"b1c3127a7f082d087a30620bf439b9df0421452484754cc28be3c5e77d5cb5c1235449f969fc5cec0709a0db85b3ac5ea35403e87fe976fe6f73db1e154bf8dd"},
		{24, strings.Repeat("k", 32), "", "SessionDevDNonce",
			"8c199538f83642ce4bf137a37f3394139a6ebe4a4550e1e5"},
		{8, strings.Repeat("k", 32), strings.Repeat("x", 300), "SessionAccKeyRot",
			"92955a9285437fd9"},
	} {
		if got := hex.EncodeToString(Sum(c.size, []byte(c.key), c.personal, []byte(c.data))); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestWrongParametersPanic(t *testing.T) {
	for _, c := range []struct {
		size, key int
		personal  string
	}{{0, 0, ""}, {65, 0, ""}, {32, 65, ""}, {32, 0, "fifteen bytes.."}, {32, 0, "seventeen bytes.."}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			Sum(c.size, make([]byte, c.key), c.personal)
		})
	}
}

func ExampleSum() {
	fmt.Printf("%x\n", Sum(2, nil, "Session-Msg-KISS", []byte("shared secret"), []byte("both public keys")))
	// Output: 5af6
}

package ratchet

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"slices"
	"testing"
)

// shortHMAC and hkdf96 give the results of the standard library.
func TestKDFAgreesWithStandardLibrary(t *testing.T) {
	random := seeded(1)
	for n := range maxShortMessage + 1 {
		var key key32
		message := make([]byte, n)
		random.Read(key[:])
		random.Read(message)
		mac := hmac.New(sha256.New, key[:])
		mac.Write(message)
		if got := shortHMAC(&key, message); !slices.Equal(got[:], mac.Sum(nil)) {
			t.Fatalf("HMAC of %d bytes differs", n)
		}
	}
	for _, info := range []string{rootInfo, messageInfo} {
		var input, salt key32
		random.Read(input[:])
		random.Read(salt[:])
		want, err := hkdf.Key(sha256.New, input[:], salt[:], info, 96)
		if err != nil {
			t.Fatal(err)
		}
		got := hkdf96(&input, &salt, info)
		if !slices.Equal(slices.Concat(got[0][:], got[1][:], got[2][:]), want) {
			t.Fatalf("HKDF for %s differs", info)
		}
	}
}

// Package wycheproof gives tests the vectors of project Wycheproof, which show how cryptographic code goes wrong.
//
// The environment variable WYCHEPROOF_VECTORS names the folder that holds the files: scripts/wycheproof writes it, and
// scripts/test does both where the vectors can be fetched. Without it the tests are skipped.
package wycheproof

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// Result is what an implementation should do with a case.
type Result string

// Results of cases.
const (
	Valid      Result = "valid"
	Invalid    Result = "invalid"
	Acceptable Result = "acceptable" // either is right; what this project does, its test says
)

// Hex is a byte string, hex in the files.
type Hex []byte

// UnmarshalText decodes hex.
func (h *Hex) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// Case is one case of any file: only the fields of its algorithm are set.
type Case struct {
	ID      int    `json:"tcId"`
	Comment string `json:"comment"`
	Flags   []string
	Result  Result

	Public, Private, Shared Hex // X25519
	Msg, Sig                Hex // Ed25519
	Key, IV, AAD, CT, Tag   Hex // AEAD, CBC, HMAC (with Msg)
	IKM, Salt, Info, OKM    Hex // HKDF
	Size                    int // of OKM
	Seed, EK                Hex // ML-KEM
	C                       Hex `json:"c"`
	Secret                  Hex `json:"K"`
}

// Group is a group of cases with common parameters. Sizes are in bits.
type Group struct {
	IVSize, KeySize, TagSize int
	PublicKey                struct{ PK Hex }
	Tests                    []Case
}

// Load returns the groups of a file, such as x25519_test.json. It skips the test where there are no vectors.
func Load(t *testing.T, name string) []Group {
	t.Helper()
	dir := os.Getenv("WYCHEPROOF_VECTORS")
	if dir == "" {
		t.Skip("WYCHEPROOF_VECTORS names no folder with vectors")
	}
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		TestGroups []Group
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return file.TestGroups
}

// Each runs check for every case of a file, and fails the test if there is none. check reports whether the case was
// used: a case whose sizes the project's function does not take is not.
func Each(t *testing.T, name string, check func(t *testing.T, group Group, c Case) (used bool)) {
	t.Helper()
	used, all := 0, 0
	for _, group := range Load(t, name) {
		for _, c := range group.Tests {
			all++
			if check(t, group, c) {
				used++
			}
		}
	}
	if used == 0 {
		t.Fatalf("%s has no case that fits", name)
	}
	t.Logf("%s: %d of %d cases", name, used, all)
}

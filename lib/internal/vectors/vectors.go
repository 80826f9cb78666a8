// Package vectors gives tests the recordings of the real programs, which are the files of its testdata folder.
//
// If the environment variable WIRE_VECTORS names a folder, the recordings come from there, so that the same tests
// replay other recordings. A test whose file is absent from that folder is skipped.
package vectors

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Path returns the path of the recording called name. It skips the test if WIRE_VECTORS is set and lacks the file.
func Path(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("WIRE_VECTORS")
	if dir == "" {
		return filepath.Join(moduleRoot(t), "lib", "internal", "vectors", "testdata", name)
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("WIRE_VECTORS has no %s", name)
	}
	return path
}

// started is the folder in which the test was started: that of its package. A test may change folders later.
var started, errStarted = os.Getwd()

// moduleRoot returns the folder of go.mod above the test's package. The path of this file in the binary would be none
// with -trimpath.
func moduleRoot(t testing.TB) string {
	t.Helper()
	if errStarted != nil {
		t.Fatal(errStarted)
	}
	for dir := started; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatalf("no go.mod above %s", started)
		}
	}
}

// Load decodes the JSON recording called name into v. The tags of v select the fields that the test uses.
func Load(t testing.TB, name string, v any) {
	t.Helper()
	data, err := os.ReadFile(Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// Hex is a byte string. Recordings write it in hex.
type Hex []byte

// UnmarshalText decodes hex of any case.
func (h *Hex) UnmarshalText(text []byte) error {
	decoded, err := hex.DecodeString(string(text))
	*h = decoded
	return err
}

// Array32 returns the last 32 bytes of a key with or without its 0x05 prefix.
func (h Hex) Array32(t testing.TB) [32]byte {
	t.Helper()
	if len(h) != 32 && len(h) != 33 {
		t.Fatalf("recorded key has %d bytes", len(h))
	}
	return [32]byte(h[len(h)-32:])
}

// Missing reports that a recording lacks a value that a test needs. It fails the test for the recordings of testdata,
// which are complete, and skips it for those of WIRE_VECTORS.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("WIRE_VECTORS") != "" {
		t.Skipf(format, args...)
	}
	t.Fatalf(format, args...)
}

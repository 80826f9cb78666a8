package ring

import (
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"sessiontool/lib/internal/atomicfile"
	"sessiontool/lib/internal/regular"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/x25519"
)

// keyFile holds a node's Ed25519 seed in hex. The seed is the node's whole identity.
const keyFile = "node.key"

// ErrFolder reports a file of the node that cannot be used.
var ErrFolder = errors.New("a file of the node cannot be used")

// ErrKeyFile reports a key file that does not hold a key, or that other users may read.
var ErrKeyFile = errors.New("node key file is not usable")

// Keys are a node's identity: one secret in two forms. The Ed25519 form names the node and signs. The X25519 form
// decrypts onion layers. There is no separate legacy key: the Ed25519 public key takes its place, as in newer real
// nodes.
type Keys struct {
	Ed25519 sessionid.SigningKey
	X25519  x25519.KeyPair
}

// KeysFromSeed derives a node's keys from an Ed25519 seed (RFC 8032).
func KeysFromSeed(seed [ed25519.SeedSize]byte) Keys {
	digest := sha512.Sum512(seed[:])
	return Keys{
		Ed25519: sessionid.SigningKey(ed25519.NewKeyFromSeed(seed[:])),
		X25519:  x25519.NewKeyPair(x25519.Clamp(x25519.PrivateKey(digest[:x25519.Size]))),
	}
}

// Name returns the Ed25519 public key in lower-case hex, the node's name in node lists and onion layers.
func (k Keys) Name() string {
	public := k.Ed25519.Public()
	return hex.EncodeToString(public[:])
}

// Address returns the node's address: 52 characters of z-base-32 and ".snode".
func (k Keys) Address() string {
	return storage.SnodeAddress(k.Ed25519.Public())
}

// LoadKeys returns the keys kept in dir, which it creates with mode 0700. The first call reads a seed from random and
// writes it to a file of mode 0600. The error is ErrFolder if the file cannot be read, and ErrKeyFile as well if it is
// damaged or other users may read it.
func LoadKeys(dir string, random io.Reader) (Keys, error) {
	path := filepath.Join(dir, keyFile)
	switch seed, err := readSeed(path); {
	case err == nil:
		return KeysFromSeed(seed), nil
	case !errors.Is(err, fs.ErrNotExist):
		return Keys{}, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	var seed [ed25519.SeedSize]byte
	if _, err := io.ReadFull(random, seed[:]); err != nil {
		return Keys{}, fmt.Errorf("reading randomness: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Keys{}, err
	}
	if err := atomicfile.Write(path, []byte(hex.EncodeToString(seed[:])+"\n"), 0o600); err != nil {
		return Keys{}, fmt.Errorf("keeping the node key: %w", err)
	}
	return KeysFromSeed(seed), nil
}

// readPrivate reads a file that holds a private key. It returns ErrKeyFile if other users may read it.
func readPrivate(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" { // modes mean nothing on Windows
		return nil, fmt.Errorf("%w: %s may be read by others (mode %#o)", ErrKeyFile, path, info.Mode().Perm())
	}
	return regular.Read(path)
}

// readSeed reads a key file. Its errors never contain the content.
func readSeed(path string) ([ed25519.SeedSize]byte, error) {
	var seed [ed25519.SeedSize]byte
	text, err := readPrivate(path)
	if err != nil {
		return seed, err
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(raw) != len(seed) {
		return seed, fmt.Errorf("%w: %s does not hold 64 hex digits", ErrKeyFile, path)
	}
	return [ed25519.SeedSize]byte(raw), nil
}

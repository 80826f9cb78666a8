package tree

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/chacha20poly1305"
)

const (
	// PageSize is the size of a page in bytes.
	PageSize = 4096
	// MaxKeySize is the length of the longest key in bytes.
	MaxKeySize = 64
	// MaxValueSize is the length of the longest value in bytes.
	MaxValueSize = 8 << 20

	keySize = chacha20poly1305.KeySize
	tagSize = chacha20poly1305.Overhead
	refSize = 4 + keySize
	// firstPage is the first page behind the slots.
	firstPage = 2
)

var (
	// ErrCorrupt reports missing bytes, or bytes that this package did not write.
	ErrCorrupt = errors.New("keystore is corrupt")
	// ErrVersion reports a file written by a newer version of the program.
	ErrVersion = errors.New("keystore has a newer format than this program knows")
	// ErrReadOnly reports a change within a read-only transaction.
	ErrReadOnly = errors.New("transaction is read-only")
)

// Key is a 32-byte key. Printing it shows a placeholder.
type Key [keySize]byte

// Format prints a placeholder whatever the verb is.
func (k Key) Format(f fmt.State, _ rune) { io.WriteString(f, "tree.Key(redacted)") }

// aead returns the cipher of a key that seals one run. It cannot fail, because the key has the right size.
func (k *Key) aead() cipher.AEAD {
	aead, err := chacha20poly1305.New(k[:])
	if err != nil {
		panic("tree: " + err.Error())
	}
	return aead
}

// xaead returns the cipher of the file's key, which seals many states.
func (k *Key) xaead() cipher.AEAD {
	aead, err := chacha20poly1305.NewX(k[:])
	if err != nil {
		panic("tree: " + err.Error())
	}
	return aead
}

// ref is the first page of a run and the key that the run is sealed under. The zero ref means none.
type ref struct {
	page uint32
	key  Key
}

func (r ref) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, r.page)
	return append(b, r.key[:]...)
}

func parseRef(b []byte) ref { return ref{binary.BigEndian.Uint32(b), Key(b[4:refSize])} }

// pagesFor returns the length in pages of a run with size bytes of content.
func pagesFor(size int) uint32 { return uint32((size + tagSize + PageSize - 1) / PageSize) }

// zeroNonce is the nonce of keys that seal one run.
var zeroNonce [chacha20poly1305.NonceSize]byte

// sealRun seals content, padded with zeros to whole pages, under a new key.
func sealRun(content []byte) ([]byte, Key) {
	var key Key
	rand.Read(key[:])
	run := make([]byte, int(pagesFor(len(content)))*PageSize)
	copy(run, content)
	return key.aead().Seal(run[:0], zeroNonce[:], run[:len(run)-tagSize], nil), key
}

// openRun reads and opens a run of that many pages.
func openRun(f io.ReaderAt, r ref, pages uint32) ([]byte, error) {
	run := make([]byte, int(pages)*PageSize)
	if n, err := f.ReadAt(run, int64(r.page)*PageSize); n < len(run) {
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%w: page %d is behind the end of the file", ErrCorrupt, r.page)
		}
		return nil, fmt.Errorf("reading page %d: %w", r.page, err)
	}
	content, err := r.key.aead().Open(run[:0], zeroNonce[:], run, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: page %d has changed", ErrCorrupt, r.page)
	}
	return content, nil
}

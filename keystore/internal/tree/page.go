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
	// ErrCorrupt reports bytes that this package did not write, or not there.
	ErrCorrupt = errors.New("keystore is corrupt")
	// ErrVersion reports a file that a newer version of the program wrote.
	ErrVersion = errors.New("keystore has a newer format than this program knows")
	// ErrReadOnly reports a change asked of a transaction that only reads.
	ErrReadOnly = errors.New("transaction is read-only")
)

// Key is a 32-byte key that does not print itself.
type Key [keySize]byte

// Format prints a placeholder whatever the verb is.
func (k Key) Format(f fmt.State, _ rune) { io.WriteString(f, "tree.Key(redacted)") }

// aead cannot fail: the key has the right size.
func (k *Key) aead() cipher.AEAD {
	aead, err := chacha20poly1305.New(k[:])
	if err != nil {
		panic("tree: " + err.Error())
	}
	return aead
}

// xaead is for a key that seals many states.
func (k *Key) xaead() cipher.AEAD {
	aead, err := chacha20poly1305.NewX(k[:])
	if err != nil {
		panic("tree: " + err.Error())
	}
	return aead
}

// ref is where a run of pages is and the key that it is sealed under. The zero ref is none.
type ref struct {
	page uint32
	key  Key
}

func (r ref) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, r.page)
	return append(b, r.key[:]...)
}

func parseRef(b []byte) ref { return ref{binary.BigEndian.Uint32(b), Key(b[4:refSize])} }

// pagesFor returns the length in pages of a run that has so many bytes of content.
func pagesFor(size int) uint32 { return uint32((size + tagSize + PageSize - 1) / PageSize) }

// zeroNonce is for keys that seal one run.
var zeroNonce [chacha20poly1305.NonceSize]byte

// sealRun seals content, padded with zeros to whole pages, under a new key.
func sealRun(content []byte) ([]byte, Key) {
	var key Key
	rand.Read(key[:])
	run := make([]byte, int(pagesFor(len(content)))*PageSize)
	copy(run, content)
	return key.aead().Seal(run[:0], zeroNonce[:], run[:len(run)-tagSize], nil), key
}

// openRun reads and opens a run of so many pages.
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
		return nil, fmt.Errorf("%w: page %d is not what was written there", ErrCorrupt, r.page)
	}
	return content, nil
}

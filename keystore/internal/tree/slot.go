package tree

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"
)

// A slot is a page:
//
//	magic (16), version (4), id (16), transaction (8)
//	length (2) and bytes of the caller's part
//	number (2) of pages written with this slot, their numbers (4 each), SHA-256 (32) of their content
//	length (2) of the sealed state, nonce (24), sealed state with its tag
//	zeros
//	SHA-256 (32) of all that
//
// The state is sealed with XChaCha20-Poly1305 under the file's key. Everything in front of it is authenticated:
//
//	ref of the topmost node, or zeros (36)
//	number of pages (4), length of the map of used pages in bytes (4),
//	the map, or the ref of its run (36) if it is long
//
// The list of pages is empty if there were too many: then they were synced before the slot was written.
const (
	magic   = "sessiontool keys"
	version = 2

	// SizeOfID is the size of a file's id.
	SizeOfID = 16

	maxPart    = 512
	maxListed  = 300
	maxInMap   = 1500 // bytes of the map of used pages in the state; a longer map has a run
	digestSize = sha256.Size
	slotEnd    = PageSize - digestSize
)

// Head can be read without the key: the file's id and the caller's part.
type Head struct {
	ID   [SizeOfID]byte
	Part []byte
}

// slot is a parsed slot.
type slot struct {
	index       int
	head        Head
	transaction uint64
	listed      []uint32
	digest      [digestSize]byte
	prefix      []byte // of the page, in front of the sealed state
	sealed      []byte // nonce and sealed state
	alone       bool   // the other slot is blank, so the commit that wrote this one was synced
}

var blankPage [PageSize]byte

// errNone reports a slot that is blank or does not begin with the magic.
var errNone = fmt.Errorf("%w: no slot", ErrCorrupt)

// parseSlot returns [ErrVersion] for a newer version, whatever follows it, or [ErrCorrupt].
func parseSlot(index int, page []byte) (*slot, error) {
	if string(page[:len(magic)]) != magic {
		return nil, errNone
	}
	if v := binary.BigEndian.Uint32(page[len(magic):]); v > version {
		return nil, fmt.Errorf("%w: %d", ErrVersion, v)
	}
	if sum := sha256.Sum256(page[:slotEnd]); !bytes.Equal(sum[:], page[slotEnd:]) {
		return nil, fmt.Errorf("%w: slot %d is damaged", ErrCorrupt, index)
	}
	s := &slot{index: index}
	b := page[len(magic)+4 : slotEnd]
	take := func(size int) []byte {
		if size > len(b) { // only reached with a right digest over wrong lengths
			b = nil
			return make([]byte, size)
		}
		taken := b[:size]
		b = b[size:]
		return taken
	}
	s.head.ID = [SizeOfID]byte(take(SizeOfID))
	s.transaction = binary.BigEndian.Uint64(take(8))
	s.head.Part = bytes.Clone(take(int(binary.BigEndian.Uint16(take(2)))))
	for range binary.BigEndian.Uint16(take(2)) {
		s.listed = append(s.listed, binary.BigEndian.Uint32(take(4)))
	}
	s.digest = [digestSize]byte(take(digestSize))
	size := int(binary.BigEndian.Uint16(take(2)))
	s.prefix = bytes.Clone(page[:slotEnd-len(b)])
	s.sealed = bytes.Clone(take(size))
	if b == nil || size < chacha20poly1305.NonceSizeX {
		return nil, fmt.Errorf("%w: slot %d is malformed", ErrCorrupt, index)
	}
	return s, nil
}

// encodeSlot returns the page of a slot.
func encodeSlot(key *Key, head Head, transaction uint64, listed []uint32, digest [digestSize]byte,
	state []byte) []byte {
	page := make([]byte, PageSize)
	b := append(page[:0], magic...)
	b = binary.BigEndian.AppendUint32(b, version)
	b = append(b, head.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, transaction)
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(head.Part))), head.Part...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(listed)))
	for _, number := range listed {
		b = binary.BigEndian.AppendUint32(b, number)
	}
	b = append(b, digest[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(chacha20poly1305.NonceSizeX+len(state)+tagSize))
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	rand.Read(nonce)
	prefix := b
	b = append(b, nonce...)
	key.xaead().Seal(b, nonce, state, prefix)
	sum := sha256.Sum256(page[:slotEnd])
	copy(page[slotEnd:], sum[:])
	return page
}

// open returns the state in plaintext.
func (s *slot) open(key *Key) ([]byte, error) {
	nonce, sealed := s.sealed[:chacha20poly1305.NonceSizeX], s.sealed[chacha20poly1305.NonceSizeX:]
	state, err := key.xaead().Open(nil, nonce, sealed, s.prefix)
	if err != nil {
		return nil, fmt.Errorf("%w: the key does not belong to slot %d", ErrCorrupt, s.index)
	}
	return state, nil
}

// complete reports whether the listed pages have the digest of the slot.
func (s *slot) complete(f io.ReaderAt) (bool, error) {
	if len(s.listed) == 0 {
		return true, nil
	}
	hash, page := sha256.New(), make([]byte, PageSize)
	for _, number := range s.listed {
		if n, err := f.ReadAt(page, int64(number)*PageSize); n < PageSize {
			if errors.Is(err, io.EOF) {
				return false, nil
			}
			return false, fmt.Errorf("reading page %d: %w", number, err)
		}
		hash.Write(page)
	}
	return bytes.Equal(hash.Sum(nil), s.digest[:]), nil
}

// slotPages are buffers for both slots. What is parsed of a slot is copied.
var slotPages = sync.Pool{New: func() any { return new([firstPage * PageSize]byte) }}

// readSlotPages reads both slots. Bytes behind the end of the file are zeros.
func readSlotPages(f io.ReaderAt, pages []byte) error {
	n, err := f.ReadAt(pages, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the file's slots: %w", err)
	}
	clear(pages[n:])
	return nil
}

// current returns the valid slot. Of two, the newer one counts if its pages are complete, else the older one.
func current(f io.ReaderAt) (*slot, error) {
	buffer := slotPages.Get().(*[firstPage * PageSize]byte)
	defer slotPages.Put(buffer)
	pages := buffer[:]
	if err := readSlotPages(f, pages); err != nil {
		return nil, err
	}
	first, firstErr := parseSlot(0, pages[:PageSize])
	second, secondErr := parseSlot(1, pages[PageSize:])
	for _, err := range []error{firstErr, secondErr} {
		if errors.Is(err, ErrVersion) {
			return nil, err
		}
	}
	switch {
	case firstErr == nil && secondErr != nil:
		first.alone = bytes.Equal(pages[PageSize:], blankPage[:])
		return first, nil
	case secondErr == nil && firstErr != nil:
		second.alone = bytes.Equal(pages[:PageSize], blankPage[:])
		return second, nil
	case firstErr != nil && firstErr != errNone:
		return nil, firstErr
	case firstErr != nil:
		return nil, secondErr
	}
	older, newer := first, second
	if older.transaction > newer.transaction {
		older, newer = newer, older
	}
	complete, err := newer.complete(f)
	switch {
	case err != nil:
		return nil, err
	case !complete:
		return older, nil
	}
	return newer, nil
}

// State is the readable part of the last commit without the key. It is valid until the next commit.
type State struct {
	file File
	slot *slot
}

// Read reads the state of a file.
func Read(f File) (*State, error) {
	s, err := current(f)
	if err != nil {
		return nil, err
	}
	return &State{f, s}, nil
}

// Head returns the part that can be read without the key.
func (s *State) Head() Head { return s.slot.head }

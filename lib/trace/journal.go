package trace

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"

	"golang.org/x/crypto/chacha20poly1305"
)

// A journal is a sequence of entries, each a trace: its length in four bytes, big-endian, and then a nonce and the
// compressed trace, sealed with XChaCha20-Poly1305. The file shows only how many traces it has, and how long they are.

// KeySize is the length of a journal's key in bytes.
const KeySize = chacha20poly1305.KeySize

const (
	// maxEntry bounds an entry, and maxPlain the trace within, in bytes.
	maxEntry = 256 << 10
	maxPlain = 4 << 20
	// journalLabel is the associated data of entries.
	journalLabel = "sessiontool trace journal 1"
)

// AppendEntry appends a trace to a journal's bytes. Random gives the nonce. A trace that is too large for an entry is an
// error.
func AppendEntry(journal []byte, key [KeySize]byte, random io.Reader, t Trace) ([]byte, error) {
	plain, err := t.Encode()
	if err != nil {
		return journal, err
	}
	var packed bytes.Buffer
	writer, err := flate.NewWriter(&packed, flate.BestSpeed)
	if err != nil {
		return journal, err
	}
	if _, err := writer.Write(plain); err != nil {
		return journal, err
	}
	if err := writer.Close(); err != nil {
		return journal, err
	}
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		return journal, err
	}
	nonce := make([]byte, aead.NonceSize())
	if _, err := io.ReadFull(random, nonce); err != nil {
		return journal, err
	}
	sealed := aead.Seal(nonce, nonce, packed.Bytes(), []byte(journalLabel))
	if len(sealed) > maxEntry || len(plain) > maxPlain {
		return journal, fmt.Errorf("%w: too large for the journal", ErrMalformed)
	}
	journal = binary.BigEndian.AppendUint32(journal, uint32(len(sealed)))
	return append(journal, sealed...), nil
}

// ReadJournal returns the traces of a journal in its order. damaged counts what does not open and is followed by an entry
// or the end: entries under another key, and bytes that are no entry, as after a process that was killed or a full disk.
// Entries behind them are found again.
func ReadJournal(journal []byte, key [KeySize]byte) (traces []Trace, damaged int) {
	tries := maxSearch + searchFactor*len(journal)
	lost := false
	for len(journal) > 0 {
		one, size, err := firstEntry(journal, key)
		if err == nil {
			traces, lost = append(traces, one), false
			journal = journal[size:]
			continue
		}
		if !lost {
			damaged, lost = damaged+1, true
		}
		if tries -= size; tries < 0 {
			return traces, damaged
		}
		journal = journal[1:]
	}
	return traces, damaged
}

// The search for an entry behind damaged bytes tries to open as many bytes as this, and searchFactor times the length of
// the journal: a journal that was made to be slow to read costs no more.
const (
	maxSearch    = 4 << 20
	searchFactor = 16
)

// firstEntry opens the entry at the beginning of a journal. size is the length of the entry, or that of what was tried.
func firstEntry(journal []byte, key [KeySize]byte) (one Trace, size int, err error) {
	if len(journal) < 4 {
		return one, 0, ErrMalformed
	}
	length := int64(binary.BigEndian.Uint32(journal))
	if length > maxEntry || length > int64(len(journal)-4) {
		return one, 0, ErrMalformed
	}
	size = 4 + int(length)
	one, err = openEntry(journal[4:size], key)
	return one, size, err
}

// openEntry opens one entry.
func openEntry(sealed []byte, key [KeySize]byte) (Trace, error) {
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		return Trace{}, err
	}
	if len(sealed) < aead.NonceSize() {
		return Trace{}, ErrMalformed
	}
	nonce, box := sealed[:aead.NonceSize()], sealed[aead.NonceSize():]
	packed, err := aead.Open(nil, nonce, box, []byte(journalLabel))
	if err != nil {
		return Trace{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	plain, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxPlain+1))
	if err != nil || len(plain) > maxPlain {
		return Trace{}, fmt.Errorf("%w: it does not unpack", ErrMalformed)
	}
	return Decode(plain)
}

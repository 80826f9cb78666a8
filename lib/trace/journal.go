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

// ReadJournal returns the traces of a journal in its order. damaged counts the entries that do not open, such as those
// under another key, and one for bytes at the end that are no entry, as after a process that was killed.
func ReadJournal(journal []byte, key [KeySize]byte) (traces []Trace, damaged int) {
	for len(journal) > 0 {
		if len(journal) < 4 {
			return traces, damaged + 1
		}
		size := int64(binary.BigEndian.Uint32(journal))
		journal = journal[4:]
		if size > maxEntry || size > int64(len(journal)) {
			return traces, damaged + 1
		}
		one, err := openEntry(journal[:size], key)
		journal = journal[size:]
		if err != nil {
			damaged++
			continue
		}
		traces = append(traces, one)
	}
	return traces, damaged
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

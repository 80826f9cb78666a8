package kv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"sync"
)

// A log is a file of sectors:
//
//	CRC-32C (4) of the rest, transaction (8), salt (4), number in the record (4), sectors in the record (4), data
//
// A record is the changes of one transaction, in sectors that follow each other: the length (4) of the changes and the
// changes. The salt is random and the same in all sectors of a record. Records follow each other in the order of their
// transactions, from the start of the file. What follows the last one is zeros or older sectors: the file is
// overwritten from its start when the tree has its transactions.
//
// A disk writes a sector completely or not at all. So a power cut leaves sectors of an unfinished record, which was
// never acknowledged, and older ones, but none with a wrong checksum: such a sector is damage, and so is a record that
// is missing before a later one. A record is written only after the one before it has been synced.
const (
	sectorSize   = 512
	sectorHeader = 4 + 8 + 4 + 4 + 4
	sectorData   = sectorSize - sectorHeader

	// firstLogSize is the size of a new log. A log that is too small doubles up to logStep, and then grows by logStep.
	firstLogSize = 64 << 10
	logStep      = 4 << 20
)

// castagnoli makes the table on first use: that takes a tenth of the time in which a short command starts and ends.
var castagnoli = sync.OnceValue(func() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) })

// checksum returns the CRC-32C of b.
func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli()) }

// logWriter appends records to a log.
type logWriter struct {
	file File
	end  int64 // where the next record begins
	size int64 // of the file; the bytes from end on are on disk, so that overwriting them changes no metadata
	buf  []byte
}

// append writes a record, syncs it, and calls note. After an error, the next record is written over this one.
func (l *logWriter) append(transaction uint64, changes []byte, note func(transaction uint64) error) error {
	content := 4 + len(changes)
	total := (content + sectorData - 1) / sectorData
	if err := l.grow(l.end + int64(total)*sectorSize); err != nil {
		return err
	}
	if cap(l.buf) < total*sectorSize || cap(l.buf) > logStep && total*sectorSize < logStep {
		l.buf = make([]byte, total*sectorSize)
	}
	buf, salt := l.buf[:total*sectorSize], rand.Uint32()
	rest := changes
	for i := range total {
		sector := buf[i*sectorSize:][:sectorSize]
		binary.BigEndian.PutUint64(sector[4:], transaction)
		binary.BigEndian.PutUint32(sector[12:], salt)
		binary.BigEndian.PutUint32(sector[16:], uint32(i))
		binary.BigEndian.PutUint32(sector[20:], uint32(total))
		data := sector[sectorHeader:]
		if i == 0 {
			binary.BigEndian.PutUint32(data, uint32(len(changes)))
			data = data[4:]
		}
		n := copy(data, rest)
		clear(data[n:])
		rest = rest[n:]
		binary.BigEndian.PutUint32(sector, checksum(sector[4:]))
	}
	if _, err := l.file.WriteAt(buf, l.end); err != nil {
		return err
	}
	if err := l.file.Sync(); err != nil {
		return err
	}
	if err := note(transaction); err != nil {
		return err
	}
	l.end += int64(len(buf))
	return nil
}

// grow makes the file at least as long as end, with zeros that are on disk.
func (l *logWriter) grow(end int64) error {
	if end <= l.size {
		return nil
	}
	size := nextLogSize(end - 1)
	if err := l.file.Truncate(size); err != nil { // at once, so that a crash leaves no other size
		return err
	}
	zeros := make([]byte, 64<<10)
	for at := l.size; at < size; {
		n, err := l.file.WriteAt(zeros[:min(int64(len(zeros)), size-at)], at)
		if err != nil {
			return err
		}
		at += int64(n)
	}
	if err := l.file.Sync(); err != nil {
		return err
	}
	l.size = size
	return nil
}

// nextLogSize returns the least size of a log that is above size.
func nextLogSize(size int64) int64 {
	next := int64(firstLogSize)
	for next <= size {
		next += min(next, logStep)
	}
	return next
}

// rewind makes the log empty. The tree has its transactions.
func (l *logWriter) rewind() { l.end = 0 }

// sectorState is what a sector of a log is.
type sectorState int

const (
	sectorGood  sectorState = iota
	sectorBlank             // never written
	sectorBad               // damaged
)

// sector is a parsed sector.
type sector struct {
	state         sectorState
	transaction   uint64
	salt          uint32
	number, total uint32
	data          []byte
}

var blankSector [sectorSize]byte

func parseSector(b []byte) sector {
	if bytes.Equal(b, blankSector[:]) {
		return sector{state: sectorBlank}
	}
	if binary.BigEndian.Uint32(b) != checksum(b[4:]) {
		return sector{state: sectorBad}
	}
	return sector{
		transaction: binary.BigEndian.Uint64(b[4:]), salt: binary.BigEndian.Uint32(b[12:]),
		number: binary.BigEndian.Uint32(b[16:]), total: binary.BigEndian.Uint32(b[20:]), data: b[sectorHeader:],
	}
}

// logReader reads the records of a log.
type logReader struct {
	file    io.ReaderAt
	sectors int64 // in the file
	at      int64 // sector where the next record begins
}

// newLogReader returns ErrDamaged for a file whose size no log has: it was cut off.
func newLogReader(f File) (*logReader, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size < firstLogSize || nextLogSize(size-1) != size {
		return nil, fmt.Errorf("%w: a log has %d bytes", ErrDamaged, size)
	}
	return &logReader{file: f, sectors: size / sectorSize}, nil
}

// sector reads a sector. Behind the end of the file all are blank.
func (r *logReader) sector(number int64) (sector, error) {
	if number >= r.sectors {
		return sector{state: sectorBlank}, nil
	}
	var b [sectorSize]byte
	if _, err := r.file.ReadAt(b[:], number*sectorSize); err != nil {
		return sector{}, fmt.Errorf("reading a log: %w", err)
	}
	return parseSector(b[:]), nil
}

// errRecord reports that a transaction has no complete record at this place.
var errRecord = errors.New("no complete record")

// next returns the changes of a transaction whose record begins where the last one ended. The error is errRecord if the
// record is missing or unfinished, or ErrDamaged for a damaged sector.
func (r *logReader) next(transaction uint64) (changes []byte, err error) {
	first, err := r.sector(r.at)
	switch {
	case err != nil:
		return nil, err
	case first.state == sectorBad:
		return nil, fmt.Errorf("%w: sector %d of a log", ErrDamaged, r.at)
	case first.state == sectorBlank || first.transaction != transaction || first.number != 0 ||
		int64(first.total) > r.sectors-r.at:
		return nil, errRecord
	}
	content := bytes.Clone(first.data)
	for i := uint32(1); i < first.total; i++ {
		s, err := r.sector(r.at + int64(i))
		switch {
		case err != nil:
			return nil, err
		case s.state == sectorBad:
			return nil, fmt.Errorf("%w: sector %d of a log", ErrDamaged, r.at+int64(i))
		case s.state == sectorBlank || s.transaction != transaction || s.salt != first.salt || s.number != i:
			return nil, errRecord
		}
		content = append(content, s.data...)
	}
	length := binary.BigEndian.Uint32(content)
	if content = content[4:]; int64(length) > int64(len(content)) {
		return nil, fmt.Errorf("%w: length of a record of a log", ErrDamaged)
	}
	r.at += int64(first.total)
	return content[:length:length], nil
}

// latest returns the highest transaction of which the log has a sector.
func (r *logReader) latest() (transaction uint64, err error) {
	for number := range r.sectors {
		s, err := r.sector(number)
		if err != nil {
			return 0, err
		}
		if s.state == sectorGood {
			transaction = max(transaction, s.transaction)
		}
	}
	return transaction, nil
}

// hasRecords reports whether a file has a sector of a log that was written.
func hasRecords(f File) (bool, error) {
	size, err := f.Size()
	if err != nil {
		return false, err
	}
	r := &logReader{file: f, sectors: size / sectorSize}
	for number := range r.sectors {
		if s, err := r.sector(number); err != nil || s.state != sectorBlank {
			return true, err
		}
	}
	return false, nil
}

// replay calls apply with the changes of all transactions in the logs from first on, and returns the transaction after
// the last one. It returns ErrDamaged if a record is missing before a later one.
func replay(logs []File, first uint64, apply func(changes []byte) error) (next uint64, err error) {
	readers := make([]*logReader, len(logs))
	for i, file := range logs {
		if readers[i], err = newLogReader(file); err != nil {
			return 0, err
		}
	}
	next = first
	for found := true; found; {
		found = false
		for _, r := range readers {
			changes, err := r.next(next)
			for ; err == nil; changes, err = r.next(next) {
				if err := apply(changes); err != nil {
					return 0, err
				}
				next, found = next+1, true
			}
			if !errors.Is(err, errRecord) {
				return 0, err
			}
		}
	}
	for _, r := range readers {
		latest, err := r.latest()
		if err != nil {
			return 0, err
		}
		if latest > next {
			return 0, fmt.Errorf("%w: a log lacks transaction %d", ErrDamaged, next)
		}
	}
	return next, nil
}

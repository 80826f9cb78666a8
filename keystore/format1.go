package keystore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/crypto/chacha20poly1305"
)

// A keystore of format 1 was a bbolt database. Its only bucket had the header, as the records "format" and "wrap", and
// the records under the keys of the current format, each sealed under the data key. Opening it converts it: the new
// file is complete and synced before it takes the name of the old one, which is then overwritten.

// convertingName is the name of the new file until it is complete. After kill -9 it remains; nothing reads it, and the
// next attempt overwrites it.
const convertingName = databaseName + ".converting"

// The layout of bbolt: https://pkg.go.dev/go.etcd.io/bbolt. Numbers are little-endian on all supported systems.
const (
	boltMagic      = 0xED0CDAED
	boltHeader     = 16 // bytes in front of a page's elements
	boltElement    = 16
	boltBranch     = 1
	boltLeaf       = 2
	boltIsBucket   = 1
	boltMetaSize   = 64
	boltMaxDepth   = 32
	boltBucketName = "keystore"
)

// boltPageSizes are the page sizes of the systems that format 1 was written on.
var boltPageSizes = []int{4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10}

// isFormat1 reports whether a file begins like a keystore of format 1.
func isFormat1(f io.ReaderAt) bool {
	for _, at := range append([]int{0}, boltPageSizes...) {
		word := make([]byte, 4)
		if _, err := f.ReadAt(word, int64(at+boltHeader)); err == nil && binary.LittleEndian.Uint32(word) == boltMagic {
			return true
		}
	}
	return false
}

// boltReader reads the records of a bbolt database in memory, without trusting any of it.
type boltReader struct {
	content  []byte
	pageSize int
	visited  map[uint64]bool
	last     []byte // the key before
	fn       func(key, value []byte) error
}

func errBolt(what string) error { return fmt.Errorf("%w: format 1: %s", ErrCorrupt, what) }

// readBolt calls fn with each record of the bucket in order. The arguments of fn are valid during the call.
func readBolt(content []byte, fn func(key, value []byte) error) error {
	r := &boltReader{content: content, visited: make(map[uint64]bool), fn: fn}
	root, err := r.meta()
	if err != nil {
		return err
	}
	var bucket []byte
	r.fn = func(key, value []byte) error {
		if string(key) == boltBucketName {
			bucket = value
		}
		return nil
	}
	if err := r.page(root, 0); err != nil {
		return err
	}
	if len(bucket) < boltHeader {
		return errBolt("no records")
	}
	r.fn, r.last = fn, nil
	if root = binary.LittleEndian.Uint64(bucket); root == 0 {
		return r.elements(bucket[boltHeader:], 0)
	}
	return r.page(root, 0)
}

// meta returns the page of the root bucket, from the newer of the two meta pages.
func (r *boltReader) meta() (root uint64, err error) {
	newest, found, pages := uint64(0), false, uint64(0)
	for _, at := range append([]int{0}, boltPageSizes...) {
		if len(r.content) < at+boltHeader+boltMetaSize {
			break
		}
		b := r.content[at+boltHeader:][:boltMetaSize]
		sum := fnv.New64a()
		sum.Write(b[:boltMetaSize-8])
		size := int(binary.LittleEndian.Uint32(b[8:]))
		if binary.LittleEndian.Uint32(b) != boltMagic ||
			binary.LittleEndian.Uint64(b[boltMetaSize-8:]) != sum.Sum64() ||
			at != 0 && at != size || size < boltPageSizes[0] {
			continue
		}
		if txid := binary.LittleEndian.Uint64(b[48:]); !found || txid > newest {
			newest, found, root, r.pageSize = txid, true, binary.LittleEndian.Uint64(b[16:]), size
			pages = binary.LittleEndian.Uint64(b[40:])
		}
	}
	if !found {
		return 0, errBolt("no meta page")
	}
	if pages > uint64(len(r.content)/r.pageSize) {
		return 0, errBolt("its end is missing")
	}
	return root, nil
}

// page reads one page and those below it.
func (r *boltReader) page(number uint64, depth int) error {
	if number >= uint64(len(r.content)/r.pageSize) || r.visited[number] || depth > boltMaxDepth {
		return errBolt("a page is not where it should be")
	}
	r.visited[number] = true
	b := r.content[int(number)*r.pageSize:]
	if binary.LittleEndian.Uint64(b) != number {
		return errBolt("a page has another number")
	}
	return r.elements(b, depth)
}

// elements reads the elements of the page at the start of b. A page may overflow into the pages that follow.
func (r *boltReader) elements(b []byte, depth int) error {
	if len(b) < boltHeader {
		return errBolt("half a page")
	}
	flags, count := binary.LittleEndian.Uint16(b[8:]), int(binary.LittleEndian.Uint16(b[10:]))
	if flags != boltLeaf && flags != boltBranch || flags == boltBranch && count == 0 {
		return errBolt("a page is of another kind")
	}
	for i := range count {
		at := boltHeader + i*boltElement
		if len(b) < at+boltElement {
			return errBolt("half a page")
		}
		e := b[at : at+boltElement]
		if flags == boltBranch {
			if err := r.page(binary.LittleEndian.Uint64(e[8:]), depth+1); err != nil {
				return err
			}
			continue
		}
		from := uint64(at) + uint64(binary.LittleEndian.Uint32(e[4:]))
		mid := from + uint64(binary.LittleEndian.Uint32(e[8:]))
		end := mid + uint64(binary.LittleEndian.Uint32(e[12:]))
		if end > uint64(len(b)) {
			return errBolt("half a record")
		}
		key := b[from:mid]
		if r.last != nil && bytes.Compare(key, r.last) <= 0 {
			return errBolt("keys are out of order")
		}
		r.last = key
		if err := r.fn(key, b[mid:end]); err != nil {
			return err
		}
	}
	return nil
}

// readFormat1Header returns the header of a keystore of format 1.
func readFormat1Header(content []byte) (h header, err error) {
	h.format1 = true
	var formatBytes, wrapBytes []byte
	err = readBolt(content, func(key, value []byte) error {
		switch string(key) {
		case "format":
			formatBytes = value
		case "wrap":
			wrapBytes = value
		}
		return nil
	})
	if err == nil {
		h.format, err = parseFormat(formatBytes)
	}
	if err == nil {
		h.wrap, err = parseWrap(wrapBytes)
	}
	return h, err
}

// readFormat1Records calls fn with each record of a keystore of format 1, converted to the current format.
func readFormat1Records(content []byte, data secret, fn func(key, value []byte) error) error {
	aead := data.derive("sessiontool keystore seal").aead()
	open := func(place, sealed []byte) ([]byte, error) {
		if len(sealed) < chacha20poly1305.NonceSizeX {
			return nil, errBolt("half a sealed value")
		}
		value, err := aead.Open(nil, sealed[:chacha20poly1305.NonceSizeX], sealed[chacha20poly1305.NonceSizeX:], place)
		if err != nil {
			return nil, errBolt("a sealed value does not belong where it is")
		}
		return value, nil
	}
	var account, id []byte
	return readBolt(content, func(key, sealed []byte) error {
		switch {
		case len(key) < len(label{}): // the header
			return nil
		case len(key) == len(label{}):
			value, err := open(append([]byte("account"), key...), sealed)
			if err != nil {
				return err
			}
			if _, _, err := parseAccount(value); err != nil {
				return err
			}
			account, id = key, value[:len(accountID{})]
			return fn(key, value)
		case account == nil || !bytes.HasPrefix(key, account):
			return errBolt("records without an account")
		}
		value, err := open(bytes.Join([][]byte{id, key}, nil), sealed)
		if err != nil {
			return err
		}
		return fn(key, value)
	})
}

// convert converts the keystore of format 1 at path, unless another process was faster.
func convert(ctx context.Context, path string, data secret, options Options) (err error) {
	db, err := openDatabase(ctx, path, true, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	if _, err := db.read(); !errors.Is(err, ErrCorrupt) || !isFormat1(db.file) {
		return err
	}
	content, err := readWhole(ctx, db.file)
	if err != nil {
		return err
	}
	h, err := readFormat1Header(content)
	if err != nil {
		return err
	}
	converting := filepath.Join(filepath.Dir(path), convertingName)
	file, err := os.OpenFile(converting, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = fill(ctx, file, newKeys(data), h, func(put func(key, value []byte) error) error {
		return readFormat1Records(content, data, put)
	})
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return errors.Join(err, os.Remove(converting))
	}
	options.reach(StageConverting)
	if err := os.Rename(converting, path); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return err
	}
	options.reach(StageConverted)
	// The old file has no name any more. It still contains everything that was ever deleted from it.
	if _, err := db.file.WriteAt(make([]byte, len(content)), 0); err != nil {
		return err
	}
	return syncData(db.file)
}

// readWhole reads a file from its beginning.
func readWhole(ctx context.Context, file *os.File) ([]byte, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(&contextReader{ctx, io.NewSectionReader(file, 0, info.Size())})
}

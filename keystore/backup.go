package keystore

import (
	"bufio"
	"bytes"
	"context"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/chacha20poly1305"

	"sessiontool/keystore/internal/tree"
)

// A backup is a stream:
//
//	magic (20), id (16), length of the wrap (2), wrap, salt (32)
//	chunks: 64 KiB, the last one shorter, each with a tag (16)
//
// The chunks are sealed with ChaCha20-Poly1305. Their key is derived from the data key and everything in front of the
// chunks. The nonce is the chunk's number (11 bytes, big-endian) followed by 1 for the last chunk and 0 for the others,
// so a truncated or extended backup does not open. For each record the chunks contain
//
//	length of the key (1), key, length of the value (4), value
const (
	backupMagic = "sessiontool backup 2"
	backupChunk = 64 << 10
)

// backupCipher seals or opens the chunks of a backup in order.
type backupCipher struct {
	aead  cipher.AEAD
	nonce [chacha20poly1305.NonceSize]byte
}

func newBackupCipher(keys *keys, prefix []byte) *backupCipher {
	key := keys.backup.derive(string(prefix))
	aead, err := chacha20poly1305.New(key[:])
	if err != nil {
		panic("keystore: " + err.Error()) // the key has the right size
	}
	return &backupCipher{aead: aead}
}

// next returns the nonce of the next chunk and counts it.
func (c *backupCipher) next(last bool) []byte {
	nonce := bytes.Clone(c.nonce[:])
	if last {
		nonce[len(nonce)-1] = 1
	}
	for i := len(c.nonce) - 2; i >= 0; i-- {
		if c.nonce[i]++; c.nonce[i] != 0 {
			break
		}
	}
	return nonce
}

// backupWriter seals what is written to it and passes the chunks on.
type backupWriter struct {
	*backupCipher
	to    io.Writer
	chunk []byte
}

func (w *backupWriter) Write(p []byte) (int, error) {
	for written := 0; ; {
		n := copy(w.chunk[len(w.chunk):backupChunk], p[written:])
		w.chunk, written = w.chunk[:len(w.chunk)+n], written+n
		if written == len(p) {
			return written, nil
		}
		if err := w.flush(false); err != nil {
			return written, err
		}
	}
}

func (w *backupWriter) flush(last bool) error {
	_, err := w.to.Write(w.aead.Seal(nil, w.next(last), w.chunk, nil))
	w.chunk = w.chunk[:0]
	return err
}

// writeBackup writes all records as a backup that h.wrap opens.
func writeBackup(ctx context.Context, w io.Writer, keys *keys, h header, records *tree.Tx) error {
	wrapped := h.wrap.encode()
	prefix := append([]byte(backupMagic), h.format[4:]...)
	prefix = append(binary.BigEndian.AppendUint16(prefix, uint16(len(wrapped))), wrapped...)
	salt := newSecret()
	prefix = append(prefix, salt[:]...)
	if _, err := w.Write(prefix); err != nil {
		return err
	}
	out := &backupWriter{newBackupCipher(keys, prefix), w, make([]byte, 0, backupChunk)}
	for from := []byte{}; ; {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		key, value, err := records.Seek(from)
		if err != nil {
			return err
		}
		if key == nil {
			return out.flush(true)
		}
		record := append([]byte{byte(len(key))}, key...)
		record = binary.BigEndian.AppendUint32(record, uint32(len(value)))
		if _, err := out.Write(append(record, value...)); err != nil {
			return err
		}
		from = afterKey(key)
	}
}

// backupReader opens the chunks of a backupWriter. It returns ErrCorrupt, or an error of the underlying reader.
type backupReader struct {
	*backupCipher
	from  *bufio.Reader
	chunk []byte
	rest  []byte // opened and not read yet
	last  bool
}

func (r *backupReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.last {
			return 0, io.EOF
		}
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *backupReader) fill() error {
	n, err := io.ReadFull(r.from, r.chunk[:cap(r.chunk)])
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		r.last = true
	case err != nil:
		return err
	default:
		if _, err := r.from.Peek(1); errors.Is(err, io.EOF) {
			r.last = true
		} else if err != nil {
			return err
		}
	}
	r.rest, err = r.aead.Open(r.chunk[:0], r.next(r.last), r.chunk[:n], nil)
	if err != nil {
		return fmt.Errorf("%w: the backup was changed or truncated", ErrCorrupt)
	}
	return nil
}

// readBackupRecords calls fn with each record until fn returns an error.
func readBackupRecords(r io.Reader, fn func(key, value []byte) error) error {
	for {
		var length [4]byte
		if _, err := io.ReadFull(r, length[:1]); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		key := make([]byte, length[0])
		if _, err := io.ReadFull(r, key); err != nil {
			return halfRecord(err)
		}
		if _, err := io.ReadFull(r, length[:]); err != nil {
			return halfRecord(err)
		}
		size := binary.BigEndian.Uint32(length[:])
		if size > tree.MaxValueSize {
			return fmt.Errorf("%w: record of %d bytes", ErrCorrupt, size)
		}
		value := make([]byte, size)
		if _, err := io.ReadFull(r, value); err != nil {
			return halfRecord(err)
		}
		if err := fn(key, value); err != nil {
			return err
		}
	}
}

func halfRecord(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: a record is truncated", ErrCorrupt)
	}
	return err
}

// Backup writes a consistent copy of the keystore to w, for [Restore]. The copy holds all current records and nothing
// that was deleted. It opens with passphrase. If passphrase is nil, it opens with the keystore's own passphrase; a
// keystore with a key file then returns [ErrPassphraseRequired], because nothing in the copy could open it.
//
// Backup writes to a regular file under the lock. Any other writer may be slow, so Backup first copies into memory, or
// into a temporary file above 32 MiB, and writes to w after it released the lock.
func (s *Store) Backup(ctx context.Context, w io.Writer, passphrase func(context.Context) ([]byte, error)) (err error) {
	h := header{format: s.format}
	if passphrase != nil {
		text, err := (Unlock{Passphrase: passphrase}).ask(ctx)
		if err != nil {
			return err
		}
		h.wrap = sealWithPassphrase(s.format, s.keys.data, text, s.options.kdf)
		clear(text)
	}
	write := func(to io.Writer) error {
		return s.withRecords(ctx, false, func(records *tree.Tx) error {
			if passphrase == nil {
				current, err := parseHead(records.Head())
				if err == nil && current.wrap.kind == wrappedByKeyFile {
					err = fmt.Errorf("%w: a backup needs one, and this keystore has a key file", ErrPassphraseRequired)
				}
				if err != nil {
					return err
				}
				h.wrap = current.wrap
			}
			return writeBackup(ctx, to, s.keys, h, records)
		})
	}
	if isRegular(w) {
		return write(w)
	}
	copied := &spool{}
	defer func() { err = errors.Join(err, copied.close()) }()
	if err := write(copied); err != nil {
		return err
	}
	from, err := copied.reader()
	if err != nil {
		return err
	}
	_, err = io.Copy(w, &contextReader{ctx, from})
	return err
}

func isRegular(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode().IsRegular()
}

// maxSpooled is the size in bytes above which a backup moves from memory to a temporary file.
const maxSpooled = 32 << 20

// spool buffers what is written to it, in memory or in a temporary file.
type spool struct {
	memory bytes.Buffer
	file   *os.File
}

func (s *spool) Write(p []byte) (n int, err error) {
	if s.file == nil && s.memory.Len()+len(p) <= maxSpooled {
		return s.memory.Write(p)
	}
	if s.file == nil {
		if s.file, err = os.CreateTemp("", "sessiontool-backup-*"); err != nil {
			return 0, err
		}
		if _, err := s.memory.WriteTo(s.file); err != nil {
			return 0, err
		}
	}
	return s.file.Write(p)
}

func (s *spool) reader() (io.Reader, error) {
	if s.file == nil {
		return &s.memory, nil
	}
	_, err := s.file.Seek(0, io.SeekStart)
	return s.file, err
}

func (s *spool) close() error {
	if s.file == nil {
		return nil
	}
	return errors.Join(s.file.Close(), os.Remove(s.file.Name()))
}

// Restore creates a keystore in dir from a [Store.Backup] and opens it. It creates dir if necessary. Unlock must have
// the passphrase of the backup, which becomes the passphrase of the keystore. Restore reads and authenticates the whole
// backup first: if any bit of it is wrong, no keystore appears in dir. Errors: [ErrExists] if dir already has a
// keystore, [ErrCorrupt], and those of [Open].
func Restore(ctx context.Context, dir string, r io.Reader, unlock Unlock, options Options) (*Store, error) {
	options = options.withDefaults()
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, databaseName)
	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("%w: %s", ErrExists, dir)
	}
	if err := probeDir(dir, options); err != nil {
		return nil, err
	}
	from := bufio.NewReaderSize(&contextReader{ctx, r}, backupChunk)
	var store *Store
	err := publish(path, options, func(temporary *os.File) (err error) {
		store, err = restoreInto(ctx, dir, temporary, from, unlock, options)
		return err
	})
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%w: %s", ErrExists, dir)
	}
	if err != nil {
		return nil, err
	}
	return store, nil
}

// restoreInto fills an empty file from a backup of either format.
func restoreInto(ctx context.Context, dir string, file *os.File, from *bufio.Reader, unlock Unlock,
	options Options) (*Store, error) {
	begin, err := from.Peek(len(backupMagic))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if string(begin) != backupMagic {
		return restoreFormat1(ctx, dir, file, from, unlock, options)
	}
	prefix, h, err := readBackupHeader(from)
	if err != nil {
		return nil, err
	}
	return fillFrom(ctx, dir, file, h, unlock, options, func(store *Store, _ secret, put putRecord) error {
		chunks := &backupReader{newBackupCipher(store.keys, prefix), from,
			make([]byte, 0, backupChunk+chacha20poly1305.Overhead), nil, false}
		return readBackupRecords(bufio.NewReader(chunks), put)
	})
}

// putRecord adds a record to a keystore.
type putRecord = func(key, value []byte) error

// fillFrom unlocks a backup with this header, and fills the file with its records, which read gives to put.
func fillFrom(ctx context.Context, dir string, file *os.File, h header, unlock Unlock, options Options,
	read func(store *Store, data secret, put putRecord) error) (*Store, error) {
	data, err := unlock.open(ctx, dir, h)
	if err != nil {
		return nil, err
	}
	store := newStore(dir, options, h.format, data)
	err = fill(ctx, file, store.keys, h, func(put putRecord) error { return read(store, data, put) })
	if err != nil {
		return nil, err
	}
	return store, nil
}

// readBackupHeader reads everything in front of the chunks.
func readBackupHeader(r io.Reader) (prefix []byte, h header, err error) {
	prefix = make([]byte, len(backupMagic)+tree.SizeOfID+2)
	if _, err := io.ReadFull(r, prefix); err != nil {
		return nil, h, halfRecord(err)
	}
	size := int(binary.BigEndian.Uint16(prefix[len(prefix)-2:]))
	rest := make([]byte, size+len(secret{}))
	if _, err := io.ReadFull(r, rest); err != nil {
		return nil, h, halfRecord(err)
	}
	id := [tree.SizeOfID]byte(prefix[len(backupMagic):])
	h, err = parseHead(tree.Head{ID: id, Part: rest[:size]})
	return append(prefix, rest...), h, err
}

// maxFormat1 is the largest backup of format 1 in bytes that restoreFormat1 reads into memory.
const maxFormat1 = 1 << 30

// restoreFormat1 is restoreInto for a backup of format 1, which is a bbolt database like the keystore of that time.
func restoreFormat1(ctx context.Context, dir string, file *os.File, from *bufio.Reader, unlock Unlock,
	options Options) (*Store, error) {
	begin, err := from.Peek(boltHeader + 4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !isFormat1(bytes.NewReader(begin)) {
		return nil, fmt.Errorf("%w: this is not a backup", ErrCorrupt)
	}
	content, err := io.ReadAll(io.LimitReader(from, maxFormat1))
	if err != nil {
		return nil, err
	}
	h, err := readFormat1Header(content)
	if err != nil {
		return nil, err
	}
	return fillFrom(ctx, dir, file, h, unlock, options, func(_ *Store, data secret, put putRecord) error {
		return readFormat1Records(content, data, put)
	})
}

// unsynced is a temporary file. It needs no sync before fill has finished.
type unsynced struct{ disk }

func (unsynced) Sync() error { return nil }

// fill writes a keystore with the records of each into an empty file, syncs the file, and verifies it by reading it.
func fill(ctx context.Context, file *os.File, keys *keys, h header,
	each func(put func(key, value []byte) error) error) error {
	const transactionSize = 4 << 20
	f := unsynced{disk{file}}
	if err := tree.Create(f, keys.tree, h.head()); err != nil {
		return err
	}
	tx, err := tree.Begin(f, keys.tree, true)
	if err != nil {
		return err
	}
	size, records := 0, 0
	err = each(func(key, value []byte) error {
		if size += len(value); size > transactionSize {
			if err := tx.Commit(); err != nil {
				return err
			}
			if tx, err = tree.Begin(f, keys.tree, true); err != nil {
				return err
			}
			size = len(value)
		}
		records++
		return tx.Put(key, value)
	})
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return err
	}
	if err := f.disk.Sync(); err != nil {
		return err
	}
	if tx, err = tree.Begin(f, keys.tree, true); err != nil {
		return err
	}
	found, err := tx.Check(ctx.Err)
	if err == nil && found != records {
		err = fmt.Errorf("%w: %d records were written and %d can be read", ErrCorrupt, records, found)
	}
	return err
}

// contextReader is a reader that returns an error once its context has ended.
type contextReader struct {
	ctx    context.Context
	reader io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if err := context.Cause(r.ctx); err != nil {
		return 0, err
	}
	return r.reader.Read(p)
}

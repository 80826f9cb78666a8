package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"sessiontool/lib/internal/atomicfile"
	"sessiontool/lib/internal/regular"
	"sessiontool/lib/node/store/kv"
	"sessiontool/lib/storage/rpc28"
)

// Up to format 3 the messages were in a file of bbolt. Open copies everything to a database in a new folder, gives that
// its name when it is complete, and then removes the file. After an interruption it begins again.
//
// In format 2 messages had no namespace. Its messageBucket has an expiration before each message, and its queueBucket
// has no names. A conversion to format 3 that was interrupted left its messages in oldBucket.

const (
	// oldFileName is the name of the database up to format 3.
	oldFileName = "messages.db"
	// newFolderName is the name of the folder of a database that is not complete.
	newFolderName = FolderName + ".new"
	// treeName is the name of the main file in the folder of the database.
	treeName = "tree"
)

// oldFormat is the format without namespaces, and oldBucket where a conversion of it left the messages.
const oldFormat = 2

var oldBucket = []byte("format 2")

// One transaction takes at most migrateBatch records and about migrateBytes bytes.
const (
	migrateBatch = 1000
	migrateBytes = 4 << 20
)

// openDatabase opens the database in a node's data folder. It makes a new one if there is none, and converts an old one.
func openDatabase(dir string, disk Disk) (*kv.DB, error) {
	if err := finishRepair(dir); err != nil {
		return nil, err
	}
	folder, old := filepath.Join(dir, FolderName), filepath.Join(dir, oldFileName)
	_, err := os.Lstat(old)
	converting := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	_, err = os.Lstat(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil && converting {
		if err := convert(dir, old); err != nil {
			return nil, fmt.Errorf("converting %s: %w", old, err)
		}
	}
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	db, err := kv.OpenOn(filepath.Join(folder, treeName), disk)
	if err == nil && converting {
		if err := os.Remove(old); err != nil { // the database in the folder is complete
			return nil, errors.Join(err, db.Close())
		}
	}
	return db, err
}

// convert makes the database's folder from the file of an old one.
func convert(dir, old string) error {
	fresh, err := newDatabase(dir)
	if err != nil {
		return err
	}
	err = copyOld(old, fresh)
	if err == nil {
		err = checkIndexes(fresh)
	}
	if err := errors.Join(err, fresh.Close()); err != nil {
		return err
	}
	return nameDatabase(dir)
}

// newDatabase makes an empty database in the folder of those that are not complete.
func newDatabase(dir string) (*kv.DB, error) {
	folder := filepath.Join(dir, newFolderName)
	if err := os.RemoveAll(folder); err != nil {
		return nil, err
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, err
	}
	return kv.Open(filepath.Join(folder, treeName))
}

// nameDatabase makes the database that newDatabase has made the one of the node.
func nameDatabase(dir string) error {
	if err := os.Rename(filepath.Join(dir, newFolderName), filepath.Join(dir, FolderName)); err != nil {
		return err
	}
	return atomicfile.SyncDir(dir)
}

// copyOld copies an old database. bbolt panics at damaged pages, and reads them as memory: copyOld returns ErrDamaged.
func copyOld(path string, into *kv.DB) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, reason)
		}
	}()
	if err := checkOld(path); err != nil {
		return err
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, ReadOnly: true})
	if errors.Is(err, berrors.ErrTimeout) {
		return kv.ErrInUse
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.View(func(tx *bbolt.Tx) error {
		return (&converter{from: tx, into: into}).run()
	})
}

// checkOld returns ErrDamaged unless the file is regular and looks like one of bbolt.
func checkOld(path string) error {
	file, err := regular.Open(path)
	if errors.Is(err, regular.ErrKind) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err != nil {
		return err
	}
	defer file.Close()
	const magicAt, magic = 16, 0xED0CDAED
	head := make([]byte, magicAt+4)
	if _, err := io.ReadFull(file, head); err != nil || binary.NativeEndian.Uint32(head[magicAt:]) != magic {
		return fmt.Errorf("%w: it is no database", ErrDamaged)
	}
	return nil
}

// converter copies one database.
type converter struct {
	from    *bbolt.Tx
	into    *kv.DB
	pending []func(tx *kv.Tx) error
	size    int
}

// add adds a change of about size bytes to the next transaction.
func (c *converter) add(size int, change func(tx *kv.Tx) error) error {
	c.pending, c.size = append(c.pending, change), c.size+size
	if len(c.pending) < migrateBatch && c.size < migrateBytes {
		return nil
	}
	return c.write()
}

func (c *converter) write() error {
	err := c.into.Update(func(tx *kv.Tx) error {
		for _, change := range c.pending {
			if err := change(tx); err != nil {
				return err
			}
		}
		return nil
	})
	c.pending, c.size = nil, 0
	return err
}

func (c *converter) run() error {
	meta := c.from.Bucket([]byte("meta"))
	if meta == nil {
		return fmt.Errorf("%w: it has no format", ErrDamaged)
	}
	format := meta.Get(formatKey)
	copied, old := oldBuckets, c.from.Bucket(oldBucket)
	switch {
	case bytes.Equal(format, []byte{oldFormat}):
		copied, old = oldBuckets[:2], nil
	case !bytes.Equal(format, []byte{oldFormat + 1}):
		return errFormat
	}
	sequence := c.from.Bucket([]byte("messages")).Sequence()
	for _, bucket := range copied {
		if err := c.copyBucket(bucket.name, bucket.number); err != nil {
			return err
		}
	}
	var err error
	if len(copied) < len(oldBuckets) {
		err = c.takeOver(c.from.Bucket([]byte("messages")), c.from.Bucket([]byte("queue")))
	} else if old != nil {
		err = c.takeOver(old.Bucket([]byte("messages")), old.Bucket([]byte("queue")))
	}
	if err != nil {
		return err
	}
	err = c.add(0, func(tx *kv.Tx) error {
		return errors.Join(
			tx.Bucket(messageBucket).SetSequence(sequence), tx.Bucket(metaBucket).Put(formatKey, []byte{storeFormat}),
		)
	})
	return errors.Join(err, c.write())
}

// oldBuckets are the buckets of format 3. In format 2 only the first two were the same.
var oldBuckets = []struct {
	name   string
	number byte
}{
	{"meta", metaBucket}, {"cursors", cursorBucket}, {"messages", messageBucket}, {"order", orderBucket},
	{"names", nameBucket}, {"expiry", expiryBucket}, {"queue", queueBucket}, {"usage", usageBucket},
	{"requests", requestBucket},
}

func (c *converter) copyBucket(name string, number byte) error {
	bucket := c.from.Bucket([]byte(name))
	if bucket == nil {
		return nil // a version had none
	}
	return bucket.ForEach(func(key, value []byte) error {
		return c.add(len(key)+len(value), func(tx *kv.Tx) error { return tx.Bucket(number).Put(key, value) })
	})
}

// takeOver converts messages of format 2. They keep their sequence numbers.
func (c *converter) takeOver(messages, queue *bbolt.Bucket) error {
	return messages.ForEach(func(key, value []byte) error {
		sequence, _, err := cutNumber(key)
		if err != nil {
			return err
		}
		m, err := oldMessage(value)
		if err != nil {
			return err
		}
		queued, content := queue.Get(key) != nil, newContent(m)
		return c.add(len(value), func(tx *kv.Tx) error {
			t := openTables(tx, queued)
			p := place{sequence: sequence, Version: Version{Expiration: m.ExpirationMillis()}}
			return errors.Join(t.put(content, p), t.enqueue(sequence, content.Name))
		})
	})
}

// oldMessage decodes a value of messageBucket of format 2: an expiration, and a message without a namespace.
func oldMessage(value []byte) (Message, error) {
	_, encoded, err := cutNumber(value)
	if err != nil || len(encoded) < len(MessageHash{}) {
		return Message{}, errors.Join(errDamage, err)
	}
	hash, texts := encoded[:len(MessageHash{})], encoded[len(MessageHash{}):]
	m, rest, err := cutMessage(append(appendNamespace(bytes.Clone(hash), rpc28.NamespaceMessages), texts...))
	if err != nil || len(rest) > 0 {
		return Message{}, errors.Join(errDamage, err)
	}
	return m, nil
}

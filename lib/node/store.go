package node

import (
	"context"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"sessiontool/lib/rpc"
)

// storeFile is the database in a node's data folder.
const storeFile = "messages.db"

// storeFormat is written into every database; one of another format is refused.
const storeFormat = 1

// Buckets. An owner is a public key as text (66 bytes), a sequence number and an expiration are big-endian u64.
var (
	metaBucket    = []byte("meta")     // "format" -> one byte
	messageBucket = []byte("messages") // owner, sequence number -> encoded message
	hashBucket    = []byte("hashes")   // owner, hash -> sequence number
	expiryBucket  = []byte("expiry")   // expiration, sequence number -> owner, hash
)

var formatKey = []byte("format")

// ErrInUse reports a data folder that another running node has.
var ErrInUse = errors.New("another node is running in this folder")

var (
	errStoreClosed = errors.New("message store is closed")
	errStoreFull   = errors.New("message store is full")
	errStoreFormat = errors.New("message store has an unknown format")
	errStoreDamage = errors.New("message store is damaged")
)

// store keeps messages on disk, in the order in which they came. What insert accepted survives a crash.
type store struct {
	db       *bbolt.DB
	maxBytes int64
	inserts  chan insertion
	quit     chan struct{}
	ended    chan struct{}
}

// openStore opens or creates the database in dir. It refuses messages while the database holds maxBytes.
func openStore(dir string, maxBytes int64) (*store, error) {
	path := filepath.Join(dir, storeFile)
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:        time.Second,
		NoFreelistSync: true,
		FreelistType:   bbolt.FreelistMapType,
	})
	if errors.Is(err, berrors.ErrTimeout) {
		err = ErrInUse
	}
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	if err := prepare(db); err != nil {
		return nil, errors.Join(fmt.Errorf("opening %s: %w", path, err), db.Close())
	}
	s := &store{
		db:       db,
		maxBytes: maxBytes,
		inserts:  make(chan insertion),
		quit:     make(chan struct{}),
		ended:    make(chan struct{}),
	}
	go s.commitLoop()
	return s, nil
}

// prepare creates the buckets of a new database and checks the format of an old one. It takes a write transaction
// even if there is nothing to write, because only those count the free pages that full needs to know.
func prepare(db *bbolt.DB) error {
	tx, err := db.Begin(true)
	if err != nil {
		return err
	}
	if meta := tx.Bucket(metaBucket); meta != nil {
		if format := meta.Get(formatKey); len(format) != 1 || format[0] != storeFormat {
			return errors.Join(errStoreFormat, tx.Rollback())
		}
		return tx.Rollback()
	}
	if err := createBuckets(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func createBuckets(tx *bbolt.Tx) error {
	for _, name := range [][]byte{metaBucket, messageBucket, hashBucket, expiryBucket} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	return tx.Bucket(metaBucket).Put(formatKey, []byte{storeFormat})
}

// close ends the store. No insert may be under way.
func (s *store) close() error {
	close(s.quit)
	<-s.ended
	return s.db.Close()
}

// after returns at most limit messages of owner that have not expired at now (milliseconds), in the order in which
// they came, from the one after lastHash on. A hash that this node does not have for this owner means from the
// first (node notes, section 5; there, however, any owner's hash counts).
func (s *store) after(owner, lastHash string, now int64, limit int) ([]rpc.Stored, error) {
	found := []rpc.Stored{}
	err := s.db.View(func(tx *bbolt.Tx) error {
		first := uint64(0)
		if last, ok := sequenceOf(tx, owner, lastHash); ok {
			first = last + 1
		}
		cursor := tx.Bucket(messageBucket).Cursor()
		for key, value := cursor.Seek(messageKey(owner, first)); len(found) < limit && isOwners(key, owner); key, value = cursor.Next() {
			m, rest, err := cutMessage(value)
			if err != nil || len(rest) > 0 {
				return errors.Join(errStoreDamage, err)
			}
			if expiration := m.expiration(); expiration > now {
				found = append(found, rpc.Stored{Data: m.Data, Expiration: expiration, Hash: m.hashText()})
			}
		}
		return nil
	})
	return found, err
}

// sequenceOf finds the message of owner that lastHash, as a client writes it, names. Upper case is another name.
func sequenceOf(tx *bbolt.Tx, owner, lastHash string) (uint64, bool) {
	hash, err := hex.DecodeString(lastHash)
	if err != nil || len(hash) != sha512.Size || hex.EncodeToString(hash) != lastHash {
		return 0, false
	}
	value := tx.Bucket(hashBucket).Get(hashKey(owner, [sha512.Size]byte(hash)))
	if value == nil {
		return 0, false
	}
	return binary.BigEndian.Uint64(value), true
}

// insertion is a request to the committer: messages to keep, all or none.
type insertion struct {
	messages []message
	result   chan<- error
}

// insert keeps messages and returns when they are on disk. Those that are there already are left as they are. The
// error is errStoreFull, ctx's if it ended before the messages were taken up, or that of the disk.
func (s *store) insert(ctx context.Context, messages ...message) error {
	result := make(chan error, 1)
	select {
	case s.inserts <- insertion{messages, result}:
		return <-result
	case <-ctx.Done():
		return ctx.Err()
	case <-s.quit:
		return errStoreClosed
	}
}

func messageKey(owner string, sequence uint64) []byte {
	key := make([]byte, 0, len(owner)+8)
	return binary.BigEndian.AppendUint64(append(key, owner...), sequence)
}

// isOwners reports whether a key of messageBucket, which may be nil, is one of owner's.
func isOwners(key []byte, owner string) bool {
	return len(key) == len(owner)+8 && string(key[:len(owner)]) == owner
}

func hashKey(owner string, hash [sha512.Size]byte) []byte {
	key := make([]byte, 0, len(owner)+len(hash))
	return append(append(key, owner...), hash[:]...)
}

func expiryKey(expiration int64, sequence uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(make([]byte, 0, 16), uint64(expiration)), sequence)
}

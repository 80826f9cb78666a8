package node

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// storeFile is the database in a node's data folder.
const storeFile = "messages.db"

// storeFormat is written into every database; one of another format is refused.
const storeFormat = 3

// Buckets. An owner is a public key as text (66 bytes); names, namespaces, lives and places are as their types encode
// them; a sequence number and an expiration (milliseconds since 1970) are big-endian u64. Sequence numbers tell the order
// in which messages came; what has them as keys lies close together on disk, so that few pages have to be written for
// many messages. A deleted message is in the last four of them only.
var (
	metaBucket    = []byte("meta")     // "format" -> one byte; "difficulty" -> history
	messageBucket = []byte("messages") // sequence number -> encoded message
	orderBucket   = []byte("order")    // owner, namespace, sequence number -> expiration, alias
	nameBucket    = []byte("names")    // name -> place
	expiryBucket  = []byte("expiry")   // expiration, sequence number -> name
	queueBucket   = []byte("queue")    // sequence number -> name: what some peer has yet to get
	cursorBucket  = []byte("cursors")  // peer's name -> the first sequence number in the queue that it has yet to get
)

var (
	formatKey     = []byte("format")
	difficultyKey = []byte("difficulty")
)

// numberSize is that of a sequence number or an expiration.
const numberSize = 8

// ErrInUse reports a data folder that another running node has, ErrFolder one with a file that cannot be used.
var (
	ErrInUse  = errors.New("another node is running in this folder")
	ErrFolder = errors.New("a file of the node cannot be used")
)

var (
	errStoreClosed = errors.New("message store is closed")
	errStoreBusy   = errors.New("message store is busy")
	errStoreFull   = errors.New("message store is full")
	errStoreFormat = errors.New("message store has an unknown format")
	errStoreDamage = errors.New("message store is damaged")
)

// store keeps messages on disk, in the order in which they came. What insert accepted survives a crash.
type store struct {
	db         *bbolt.DB
	maxBytes   int64
	inserts    chan insertion
	quit       chan struct{}
	ended      chan struct{}
	sweepUntil atomic.Int64  // messages that expired by then (milliseconds) are to be removed
	sweepSize  int           // of the committer
	removed    atomic.Uint64 // expired messages
	queue      *queue
}

// openStore opens or creates the database in dir. It refuses messages while the database holds maxBytes. The error is
// ErrInUse or ErrFolder.
func openStore(dir string, maxBytes int64) (*store, error) {
	path := filepath.Join(dir, storeFile)
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:        time.Second,
		NoFreelistSync: true, // found again when the database is opened
		FreelistType:   bbolt.FreelistMapType,
	})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, fmt.Errorf("opening %s: %w", path, ErrInUse)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: opening %s: %w", ErrFolder, path, err)
	}
	var queue *queue
	if err = migrate(db); err == nil {
		queue, err = prepare(db)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: opening %s: %w", ErrFolder, path, err), db.Close())
	}
	s := &store{
		db:        db,
		maxBytes:  maxBytes,
		inserts:   make(chan insertion, maxWaiting),
		quit:      make(chan struct{}),
		ended:     make(chan struct{}),
		sweepSize: minSweep,
		queue:     queue,
	}
	go s.commitLoop()
	return s, nil
}

// prepare creates the buckets of a new database, checks the format of an old one and reads its queue. It takes a write
// transaction even if there is nothing to write, because only those count the free pages that full needs to know.
func prepare(db *bbolt.DB) (*queue, error) {
	tx, err := db.Begin(true)
	if err != nil {
		return nil, err
	}
	if meta := tx.Bucket(metaBucket); meta != nil {
		if format := meta.Get(formatKey); len(format) != 1 || format[0] != storeFormat {
			return nil, errors.Join(errStoreFormat, tx.Rollback())
		}
		queue, err := loadQueue(tx)
		return queue, errors.Join(err, tx.Rollback())
	}
	if err := createBuckets(tx); err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	return &queue{cursors: make(map[string]uint64)}, tx.Commit()
}

func createBuckets(tx *bbolt.Tx) error {
	for _, name := range [][]byte{
		metaBucket, messageBucket, orderBucket, nameBucket, expiryBucket, queueBucket, cursorBucket,
	} {
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
	_, err := s.tidyQueue()
	return errors.Join(err, s.db.Close())
}

// meta reads what is kept under key, nil if nothing is; setMeta writes it.
func (s *store) meta(key []byte) (value []byte, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		value = bytes.Clone(tx.Bucket(metaBucket).Get(key))
		return nil
	})
	return value, err
}

func (s *store) setMeta(key, value []byte) error {
	return s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(key, value) })
}

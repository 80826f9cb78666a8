// Package store keeps a service node's messages on disk, in the order in which they came.
//
// [Store.Insert] and [Store.Write] return when the change is on disk: what they accepted survives a crash. One
// goroutine commits for all callers, so that one fsync serves many of them. A message that its owner deleted leaves a
// tombstone, a [Version] without content, until the message would have expired.
//
// The store also keeps what replication needs: a queue of changes with a cursor for every peer ([Store.Pending],
// [Store.Delivered]), digests of all names for comparisons ([Store.Digest], [Store.Scan]), and the encoding of records
// ([AppendRecord], [DecodeRecords]).
//
// Messages of storage RPC 2.0 and 2.8 stand in the same database. The store gives both kinds of client their own view
// of it ([Store.Page20], [Store.Page28]). It makes no network calls and knows no swarms; callers pass in which owners
// they want and what time it is. A Store is safe for concurrent use.
package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// storeFile is the database in a node's data folder.
const FileName = "messages.db"

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
	formatKey = []byte("format")
)

// numberSize is that of a sequence number or an expiration.
const numberSize = 8

// ErrInUse reports a data folder that another running node has, ErrFolder one with a file that cannot be used.
var (
	ErrInUse  = errors.New("another node is running in this folder")
	ErrFolder = errors.New("a file of the node cannot be used")
)

var (
	ErrClosed = errors.New("message store is closed")
	ErrBusy   = errors.New("message store is busy")
	ErrFull   = errors.New("message store is full")
	errFormat = errors.New("message store has an unknown format")
	errDamage = errors.New("message store is damaged")
)

// store keeps messages on disk, in the order in which they came. What insert accepted survives a crash.
type Store struct {
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
func Open(dir string, maxBytes int64) (*Store, error) {
	path := filepath.Join(dir, FileName)
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
	s := &Store{
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
			return nil, errors.Join(errFormat, tx.Rollback())
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
func (s *Store) Close() error {
	close(s.quit)
	<-s.ended
	_, err := s.tidyQueue()
	return errors.Join(err, s.db.Close())
}

// meta reads what is kept under key, nil if nothing is; setMeta writes it.
func (s *Store) Meta(key []byte) (value []byte, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		value = bytes.Clone(tx.Bucket(metaBucket).Get(key))
		return nil
	})
	return value, err
}

func (s *Store) SetMeta(key, value []byte) error {
	return s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(key, value) })
}

// storeStats is what a store holds and has done since it was opened.
type Stats struct {
	Messages     int    // messages held
	Queued       int    // queue entries, each for a change that some peer has yet to get
	Bytes        int64  // size of the pages in use
	Expired      uint64 // messages removed because they had expired
	Transactions int    // write transactions that the database has ever committed
	Writing      int    // calls of Write that wait for the committer
}

// stats counts. It walks an index of the messages, so its time grows with their number.
func (s *Store) Stats() (stats Stats, err error) {
	stats.Expired, stats.Writing = s.removed.Load(), len(s.inserts)
	err = s.db.View(func(tx *bbolt.Tx) error {
		stats.Messages = tx.Bucket(messageBucket).Stats().KeyN
		stats.Queued = tx.Bucket(queueBucket).Stats().KeyN
		stats.Bytes = tx.Size() - int64(s.db.Stats().FreePageN)*int64(s.db.Info().PageSize)
		stats.Transactions = tx.ID()
		return nil
	})
	return stats, err
}

// hold blocks all writes until release is called, as a slow disk would. It is for tests of what waits meanwhile.
func (s *Store) Hold() (release func() error, err error) {
	tx, err := s.db.Begin(true)
	if err != nil {
		return nil, err
	}
	return tx.Rollback, nil
}

// maintain removes expired messages and writes the peers' cursors to disk, each at its interval, until ctx ends. now is
// the node's clock.
func (s *Store) Maintain(ctx context.Context, log *slog.Logger, now func() time.Time) {
	var loops sync.WaitGroup
	loops.Go(func() { s.sweepLoop(ctx, log, now) })
	loops.Go(func() { s.tidyLoop(ctx, log) })
	loops.Wait()
}

// defaultStoreBytes is the 2020 server's limit on its database (storage-2.0.md section 6).
const DefaultMaxBytes = 3584 << 20

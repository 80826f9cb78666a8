// Package store keeps a service node's messages on disk, in order of arrival.
//
// [Store.Insert] and [Store.Write] return when the change is on disk: an accepted message survives a crash. One
// goroutine commits for all callers, so that one fsync serves many of them. A deleted message leaves a tombstone, a
// [Version] without content, until the message would have expired.
//
// The store also keeps what replication needs: a queue of changes with a cursor for every peer ([Store.Pending],
// [Store.Delivered]), digests of all names for comparisons ([Store.Digest], [Store.Scan]), and the encoding of records
// ([AppendRecords], [DecodeRecords]).
//
// Messages of storage RPC 2.0 and 2.8 are in the same database. The store gives both kinds of client their own view
// of it ([Store.Page20], [Store.Page28]). It makes no network calls and knows no swarms; callers pass in the wanted
// owners and the time. A Store is safe for concurrent use.
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

// FileName is the name of the database file in a node's data folder.
const FileName = "messages.db"

// storeFormat is the format of the database; others are refused.
const storeFormat = 3

// Buckets. An owner is a public key as text (66 bytes). Names, namespaces, versions and places are encoded by their
// types. Sequence numbers and expirations (milliseconds since 1970) are big-endian u64. Sequence numbers follow the
// order of arrival. With them as keys, new entries share pages, so that many messages need few page writes. A
// tombstone has no entry in messageBucket and orderBucket.
var (
	metaBucket    = []byte("meta")     // "format" -> one byte; "difficulty" -> history
	messageBucket = []byte("messages") // sequence number -> encoded message
	orderBucket   = []byte("order")    // owner, namespace, sequence number -> expiration, alias
	nameBucket    = []byte("names")    // name -> place
	expiryBucket  = []byte("expiry")   // expiration, sequence number -> name
	queueBucket   = []byte("queue")    // sequence number -> name: changes that are pending for a peer
	cursorBucket  = []byte("cursors")  // peer's name -> first sequence number that is pending for it
	usageBucket   = []byte("usage")    // owner and kind, or "unproved" -> count, bytes
	requestBucket = []byte("requests") // request's identifier -> expiration, the owner's request
)

var formatKey = []byte("format")

// numberSize is the size of a sequence number or an expiration.
const numberSize = 8

// ErrInUse reports a data folder that another running node uses, ErrFolder a database file that cannot be used.
var (
	ErrInUse  = errors.New("another node is running in this folder")
	ErrFolder = errors.New("a file of the node cannot be used")
)

// Errors of Write and Insert, and of damaged databases.
var (
	ErrClosed = errors.New("message store is closed")
	ErrBusy   = errors.New("message store is busy")
	ErrFull   = errors.New("message store is full")
	errFormat = errors.New("message store has an unknown format")
	errDamage = errors.New("message store is damaged")
)

// Store keeps messages on disk. See the package comment.
type Store struct {
	db         *bbolt.DB
	maxBytes   int64
	inserts    chan insertion
	quit       chan struct{}
	ended      chan struct{}
	sweepUntil atomic.Int64  // messages that expired by then (milliseconds) are due
	sweepSize  int           // removals in the committer's next transaction without messages
	removed    atomic.Uint64 // number of expired messages removed
	queue      *queue
	quotas     quotas
}

// Open opens or creates the database in dir. The store refuses messages while the database uses maxBytes or more. The
// error is ErrInUse or ErrFolder. Close ends the store.
func Open(dir string, maxBytes int64) (*Store, error) {
	path := filepath.Join(dir, FileName)
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:        time.Second,
		NoFreelistSync: true, // rebuilt when the database is opened
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
		quotas:    quotas{uint64(max(maxBytes, 0))},
	}
	go s.commitLoop()
	return s, nil
}

// prepare creates the buckets of a new database, or checks the format of an old one and reads its queue. It always
// begins a write transaction, because only write transactions count the free pages, which full needs.
func prepare(db *bbolt.DB) (*queue, error) {
	tx, err := db.Begin(true)
	if err != nil {
		return nil, err
	}
	if meta := tx.Bucket(metaBucket); meta != nil {
		if format := meta.Get(formatKey); len(format) != 1 || format[0] != storeFormat {
			return nil, errors.Join(errFormat, tx.Rollback())
		}
		for _, name := range [][]byte{requestBucket, usageBucket} { // written by a version that had none
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return nil, errors.Join(err, tx.Rollback())
			}
		}
		queue, err := loadQueue(tx)
		if err != nil {
			return nil, errors.Join(err, tx.Rollback())
		}
		return queue, tx.Commit()
	}
	if err := createBuckets(tx); err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	return &queue{cursors: make(map[string]uint64)}, tx.Commit()
}

func createBuckets(tx *bbolt.Tx) error {
	for _, name := range [][]byte{
		metaBucket, messageBucket, orderBucket, nameBucket, expiryBucket, queueBucket, cursorBucket, requestBucket,
		usageBucket,
	} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	return tx.Bucket(metaBucket).Put(formatKey, []byte{storeFormat})
}

// Close ends the store. No other call may be under way.
func (s *Store) Close() error {
	close(s.quit)
	<-s.ended
	_, err := s.tidyQueue()
	return errors.Join(err, s.db.Close())
}

// Meta returns the value that [Store.SetMeta] wrote under key, or nil if there is none.
func (s *Store) Meta(key []byte) (value []byte, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		value = bytes.Clone(tx.Bucket(metaBucket).Get(key))
		return nil
	})
	return value, err
}

// SetMeta writes a value under key. The key "format" is reserved.
func (s *Store) SetMeta(key, value []byte) error {
	return s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(key, value) })
}

// Stats counts what a store holds, and what it has done since it was opened.
type Stats struct {
	Messages     int    // stored messages, without tombstones
	Queued       int    // queue entries, one for each change that is pending for a peer
	Bytes        int64  // size of the pages in use
	Expired      uint64 // messages removed because they had expired
	Transactions int    // write transactions that the database has ever committed
	Writing      int    // calls of Write that wait for the committer
}

// Stats returns the counts. It walks an index of the messages, so its time grows with their number.
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

// Hold blocks all writes until release is called, as a slow disk does. It is for tests.
func (s *Store) Hold() (release func() error, err error) {
	tx, err := s.db.Begin(true)
	if err != nil {
		return nil, err
	}
	return tx.Rollback, nil
}

// Maintain removes expired messages and writes the peers' cursors to disk, each at its interval, until ctx ends. now is
// the node's clock.
func (s *Store) Maintain(ctx context.Context, log *slog.Logger, now func() time.Time) {
	var loops sync.WaitGroup
	loops.Go(func() { s.sweepLoop(ctx, log, now) })
	loops.Go(func() { s.tidyLoop(ctx, log) })
	loops.Wait()
}

// DefaultMaxBytes is the 2020 server's limit on its database (storage-2.0.md section 6).
const DefaultMaxBytes = 3584 << 20

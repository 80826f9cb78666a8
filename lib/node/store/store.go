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

	"sessiontool/lib/node/store/kv"
)

// FolderName is the name of the database's folder in a node's data folder.
const FolderName = "messages"

// storeFormat is the format of the database. Formats 2 and 3 were files of another kind, which Open converts; others
// are refused.
const storeFormat = 4

// Buckets. An owner is a public key as text (66 bytes). Names, namespaces, versions and places are encoded by their
// types. Sequence numbers and expirations (milliseconds since 1970) are big-endian u64. Sequence numbers follow the
// order of arrival. With them as keys, new entries share pages, so that many messages need few page writes. A
// tombstone has no entry in messageBucket and orderBucket.
const (
	metaBucket    byte = iota + 1 // "format" -> one byte; "difficulty" -> history
	messageBucket                 // sequence number -> encoded message
	orderBucket                   // owner, namespace, sequence number -> expiration, alias
	nameBucket                    // name -> place
	expiryBucket                  // expiration, sequence number -> name
	queueBucket                   // sequence number -> name: changes that are pending for a peer
	cursorBucket                  // peer's name -> first sequence number that is pending for it
	usageBucket                   // owner and kind, or "unproved" -> count, bytes
	requestBucket                 // request's identifier -> expiration, the owner's request
)

var formatKey = []byte("format")

// checkedSize is the size up to which Open reads the whole database, which takes less than 0.1 s. A larger one is for
// [Store.Check].
const checkedSize = 32 << 20

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
	errDamage = fmt.Errorf("%w: an entry is malformed", ErrDamaged)
)

// ErrUnsuitable reports a file system without locks, or with locks that keep no process out.
var ErrUnsuitable = kv.ErrUnsuitable

// ErrDamaged reports content that this program did not write.
var ErrDamaged = kv.ErrDamaged

// Store keeps messages on disk. See the package comment.
type Store struct {
	db         *kv.DB
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
// error is ErrInUse or ErrFolder, and ErrDamaged as well for a damaged database. Close ends the store.
func Open(dir string, maxBytes int64) (*Store, error) { return OpenOn(dir, maxBytes, nil) }

// Disk and File are for tests of disks that fail: see [kv.Disk].
type (
	Disk = kv.Disk
	File = kv.File
)

// OpenOn is [Open] with a disk, which may be nil.
func OpenOn(dir string, maxBytes int64, disk Disk) (*Store, error) {
	path := filepath.Join(dir, FolderName)
	db, err := openDatabase(dir, disk)
	if errors.Is(err, kv.ErrInUse) {
		return nil, fmt.Errorf("opening %s: %w", path, ErrInUse)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: opening %s: %w", ErrFolder, path, err)
	}
	var queue *queue
	if db.Size() <= checkedSize {
		_, err = db.Check(context.Background())
	}
	if err == nil {
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

// prepare writes the format of a new database, or checks that of an old one and reads its queue.
func prepare(db *kv.DB) (queue *queue, err error) {
	err = db.Update(func(tx *kv.Tx) error {
		meta := tx.Bucket(metaBucket)
		format := meta.Get(formatKey)
		if format == nil {
			if err := meta.Put(formatKey, []byte{storeFormat}); err != nil {
				return err
			}
		} else if len(format) != 1 || format[0] != storeFormat {
			return errFormat
		}
		queue, err = loadQueue(tx)
		return err
	})
	return queue, err
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
	err = s.db.View(func(tx *kv.Tx) error {
		value = bytes.Clone(tx.Bucket(metaBucket).Get(key))
		return nil
	})
	return value, err
}

// SetMeta writes a value under key. The key "format" is reserved.
func (s *Store) SetMeta(key, value []byte) error {
	return s.db.Update(func(tx *kv.Tx) error { return tx.Bucket(metaBucket).Put(key, value) })
}

// Stats counts what a store holds, and what it has done since it was opened.
type Stats struct {
	Messages     int    // stored messages, without tombstones
	Queued       int    // queue entries, one for each change that is pending for a peer
	Bytes        int64  // size of what is stored, with its indexes
	Expired      uint64 // messages removed because they had expired
	Transactions int    // write transactions that the database has ever committed
	Writing      int    // calls of Write that wait for the committer
}

// Stats returns the counts. It walks an index of the messages, so its time grows with their number.
func (s *Store) Stats() (stats Stats, err error) {
	stats.Expired, stats.Writing = s.removed.Load(), len(s.inserts)
	stats.Bytes, stats.Transactions = s.db.Size(), int(s.db.Transactions())
	err = s.db.View(func(tx *kv.Tx) error {
		stats.Messages = tx.Bucket(orderBucket).Count()
		stats.Queued = tx.Bucket(queueBucket).Count()
		return nil
	})
	return stats, err
}

// MaxBytes returns the size at which the store refuses messages.
func (s *Store) MaxBytes() int64 { return s.maxBytes }

// Hold blocks all writes until release is called, as a slow disk does. It is for tests.
func (s *Store) Hold() (release func()) { return s.db.Hold() }

// Check reads the whole database, unless Open has read it. The error is that of ctx, or ErrFolder and ErrDamaged.
func (s *Store) Check(ctx context.Context) error {
	if s.db.Size() <= checkedSize {
		return nil
	}
	if _, err := s.db.Check(ctx); err != nil {
		return fmt.Errorf("%w: reading the database: %w", ErrFolder, err)
	}
	return nil
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

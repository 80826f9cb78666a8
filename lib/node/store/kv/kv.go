package kv

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
)

var (
	// ErrDamaged reports that something is not as this package wrote it.
	ErrDamaged = errors.New("database is damaged")
	// ErrVersion reports a database of another version.
	ErrVersion = errors.New("database has an unknown version")
	// ErrInUse reports a database that another process uses.
	ErrInUse = errors.New("database is in use")
	// ErrUnsuitable reports a file system whose locks do not keep another process out.
	ErrUnsuitable = errors.New("file system has no locks that keep other processes out")
	// ErrClosed reports a database that was closed.
	ErrClosed = errors.New("database is closed")
)

// File is a file of a database. Sync makes all writes durable.
type File interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
	Truncate(size int64) error
	Size() (int64, error)
	Close() error
}

// maxTable is the size in bytes from which a table is written to the tree. While that is under way, the next table may
// get twice as large; then commits wait.
const maxTable = 4 << 20

// state is a snapshot of the map.
type state struct {
	transaction uint64 // the last one
	active      *entry // the table that changes go to
	size        int    // of active, in bytes
	frozen      *entry // the table that is being written to the tree
	frozenAt    uint64 // the last transaction in frozen
	root        *root
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	tree *tree
	logs [2]*logWriter // logs[0] is the one of the active table

	now     atomic.Pointer[state]
	publish sync.Mutex // held while now is replaced

	write    sync.Mutex // held by the transaction that changes the map
	closed   bool
	changes  []byte // buffer for the changes of a transaction
	flushing sync.WaitGroup
	busy     atomic.Bool // a table is being written to the tree
	flushErr error       // of the last write to the tree, under publish
	used     atomic.Int64
}

// open opens a database in three files: the tree and two logs.
func open(all [3]File) (*DB, error) {
	db := &DB{tree: &tree{file: all[0], cache: make(map[uint32]cached)}}
	top, err := readRoot(all[0])
	if err != nil {
		return nil, err
	}
	if err := db.tree.loadSpace(top); err != nil {
		return nil, err
	}
	s, by := &state{root: top}, new(owner)
	next, err := replay(all[1:], top.transaction+1, func(changes []byte) error {
		s.size += len(changes)
		return eachChange(changes, func(key, value []byte, deleted bool) {
			s.active = s.active.put(by, key, value, deleted)
		})
	})
	if err != nil {
		return nil, err
	}
	if err := db.tree.checkNote(next); err != nil {
		return nil, err
	}
	for i, file := range all[1:] {
		db.logs[i] = &logWriter{file: file}
		if db.logs[i].size, err = file.Size(); err != nil {
			return nil, err
		}
	}
	s.transaction = next - 1
	db.now.Store(s)
	db.used.Store(int64(db.tree.space.used) * pageSize)
	return db, db.flushAll() // both logs may have records, and the next one is written over them
}

// create makes an empty database in three files.
func create(all [3]File) error {
	for _, file := range all[1:] {
		log := &logWriter{file: file}
		if err := errors.Join(file.Truncate(0), log.grow(1)); err != nil {
			return err
		}
	}
	tree := &tree{file: all[0]}
	return errors.Join(tree.file.Truncate(firstPage*pageSize), tree.publish(&root{}), tree.file.Sync())
}

// View runs read with a snapshot of the map. Slices that read gets stay valid; it must not change them.
func (db *DB) View(read func(*Tx) error) error {
	s := db.acquire()
	defer s.root.readers.RUnlock()
	tx := &Tx{db: db, state: s, active: s.active}
	return tx.result(read(tx))
}

// acquire returns the present state, whose pages stay until its readers are unlocked.
func (db *DB) acquire() *state {
	for {
		// The lock of a state cannot be had when the state after the next one is being written.
		if s := db.now.Load(); s.root.readers.TryRLock() {
			return s
		}
	}
}

// Update runs change and makes its changes durable. Only one Update runs at a time. After an error nothing has changed.
func (db *DB) Update(change func(*Tx) error) error {
	db.write.Lock()
	defer db.write.Unlock()
	if db.closed {
		return ErrClosed
	}
	if err := db.makeRoom(); err != nil {
		return err
	}
	s := db.acquire()
	tx := &Tx{db: db, state: s, active: s.active, writable: true, owner: new(owner), changes: db.changes[:0]}
	err := change(tx)
	if err == nil {
		err = tx.writeCounters()
	}
	err = tx.result(err)
	s.root.readers.RUnlock()
	if cap(tx.changes) <= logStep {
		db.changes = tx.changes
	}
	if err != nil || len(tx.changes) == 0 {
		return err
	}
	if err := db.logs[0].append(s.transaction+1, tx.changes, db.tree.note); err != nil {
		return err
	}
	db.replace(func(s *state) {
		s.transaction++
		s.active = tx.active
		s.size += len(tx.changes)
	})
	return nil
}

// replace publishes a changed copy of the state.
func (db *DB) replace(change func(*state)) {
	db.publish.Lock()
	defer db.publish.Unlock()
	s := *db.now.Load()
	change(&s)
	db.now.Store(&s)
}

// makeRoom starts writing the table to the tree when it is large, and waits if it is much too large.
func (db *DB) makeRoom() error {
	s := db.now.Load()
	if s.size < maxTable {
		return nil
	}
	if db.busy.Load() {
		if s.size < 2*maxTable {
			return nil
		}
		db.flushing.Wait()
	}
	if s = db.now.Load(); s.frozen == nil {
		db.freeze()
		s = db.now.Load()
	} else if err := db.lastFlush(); err != nil && s.size >= 2*maxTable {
		// The last attempt failed. Try again, and refuse changes until the table has been written.
		if err := db.flush(s.frozen, s.frozenAt); err != nil {
			return err
		}
		return nil
	}
	db.busy.Store(true)
	db.flushing.Go(func() {
		defer db.busy.Store(false)
		err := db.flush(s.frozen, s.frozenAt)
		db.publish.Lock()
		defer db.publish.Unlock()
		db.flushErr = err
	})
	return nil
}

func (db *DB) lastFlush() error {
	db.publish.Lock()
	defer db.publish.Unlock()
	return db.flushErr
}

// freeze makes the active table the frozen one. There must be none, so the other log is free.
func (db *DB) freeze() {
	db.logs[0], db.logs[1] = db.logs[1], db.logs[0]
	db.logs[0].rewind()
	db.replace(func(s *state) {
		s.frozen, s.frozenAt, s.active, s.size = s.active, s.transaction, nil, 0
	})
}

// flush writes a table to the tree. It is the only writer of the tree.
func (db *DB) flush(table *entry, transaction uint64) error {
	before := db.now.Load().root
	after, err := db.tree.write(before, transaction, table.appendTo(nil))
	if err != nil {
		return fmt.Errorf("writing the tree: %w", err)
	}
	db.used.Store(int64(db.tree.space.used) * pageSize)
	db.replace(func(s *state) { s.root, s.frozen = after, nil })
	before.readers.Lock() // for good: waits for the readers of the pages that are free now
	return nil
}

// Flush writes everything to the tree.
func (db *DB) Flush() error {
	db.write.Lock()
	defer db.write.Unlock()
	return db.flushAll()
}

func (db *DB) flushAll() error {
	db.flushing.Wait()
	if s := db.now.Load(); s.frozen != nil {
		if err := db.flush(s.frozen, s.frozenAt); err != nil {
			return err
		}
	}
	s := db.now.Load()
	if s.active == nil {
		return nil
	}
	db.freeze()
	s = db.now.Load()
	return db.flush(s.frozen, s.frozenAt)
}

// Close writes everything to the tree and closes the files. No transaction may run. After an error of the tree,
// everything is still in the logs.
func (db *DB) Close() error {
	db.write.Lock()
	defer db.write.Unlock()
	if db.closed {
		return ErrClosed
	}
	db.closed = true
	err := db.flushAll()
	if err == nil {
		err = db.tree.file.Sync() // the second slot
	}
	return errors.Join(err, db.closeFiles())
}

func (db *DB) closeFiles() error {
	return errors.Join(db.logs[0].file.Close(), db.logs[1].file.Close(), db.tree.file.Close())
}

// Size returns about the number of bytes that the records need on disk.
func (db *DB) Size() int64 { return db.used.Load() + int64(db.now.Load().size) }

// Transactions returns the number of transactions that the database has committed.
func (db *DB) Transactions() uint64 { return db.now.Load().transaction }

// Hold makes all changes wait until release is called, as a slow disk does. It is for tests.
func (db *DB) Hold() (release func()) {
	db.write.Lock()
	return db.write.Unlock
}

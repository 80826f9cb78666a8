package tree

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// File is the storage of a tree. Sync makes all writes durable.
type File interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
	Truncate(size int64) error
	Size() (int64, error)
}

// maxClean bounds the unchanged nodes that a transaction caches.
const maxClean = 256

// run is a number of consecutive pages.
type run struct{ page, pages uint32 }

// Tx is a transaction: the content of the last commit, with changes in memory. It is for one goroutine.
type Tx struct {
	file        File
	key         Key
	writable    bool
	slot        int
	unsynced    bool // the process of the last commit was killed, so its writes may not be on disk
	transaction uint64
	head        Head
	headChanged bool
	root        item
	space       space
	freed       []run // used by the last commit and not by this transaction
	clean       map[uint32]*node
	damaged     error // the first damage found
}

// Begin reads the state of a file and starts a transaction.
func Begin(f File, key Key, writable bool) (*Tx, error) {
	s, err := Read(f)
	if err != nil {
		return nil, err
	}
	return s.Begin(key, writable)
}

// Begin starts a transaction. It returns [ErrCorrupt] also for the key of another file.
func (st *State) Begin(key Key, writable bool) (*Tx, error) {
	s := st.slot
	state, err := s.open(&key)
	if err != nil {
		return nil, err
	}
	tx := &Tx{
		file: st.file, key: key, writable: writable, slot: s.index, unsynced: !s.alone,
		transaction: s.transaction, head: s.head,
		clean: make(map[uint32]*node),
	}
	if err := tx.parseState(state); err != nil {
		return nil, err
	}
	return tx, nil
}

// stateHeader is the number of bytes in front of the map in the state.
const stateHeader = refSize + 4 + 4

func (tx *Tx) parseState(state []byte) error {
	if len(state) < stateHeader {
		return fmt.Errorf("%w: malformed state", ErrCorrupt)
	}
	tx.root.ref = parseRef(state)
	tx.space = space{pages: binary.BigEndian.Uint32(state[refSize:]), from: firstPage}
	size := int(binary.BigEndian.Uint32(state[refSize+4:]))
	state = state[stateHeader:]
	switch {
	case size <= maxInMap && len(state) == size:
		tx.space.bits = state
		return nil
	case size <= maxInMap || len(state) != refSize:
		return fmt.Errorf("%w: malformed state", ErrCorrupt)
	}
	return tx.loadMap(parseRef(state), size)
}

// loadMap reads a map of used pages that has its own run.
func (tx *Tx) loadMap(place ref, size int) error {
	content, err := openRun(tx.file, place, pagesFor(size))
	if err != nil {
		return err
	}
	tx.space.bits = content[:size]
	tx.freed = append(tx.freed, run{place.page, pagesFor(size)})
	return nil
}

// Head returns the part that can be read without the key.
func (tx *Tx) Head() Head { return tx.head }

// SetPart changes the caller's part of the head.
func (tx *Tx) SetPart(part []byte) error {
	if !tx.writable {
		return ErrReadOnly
	}
	if len(part) > maxPart {
		return fmt.Errorf("part of %d bytes", len(part))
	}
	tx.head.Part, tx.headChanged = bytes.Clone(part), true
	return nil
}

// damage records an error, so that Commit refuses to build on damaged content.
func (tx *Tx) damage(err error) error {
	if err != nil && tx.damaged == nil {
		tx.damaged = err
	}
	return err
}

// load returns the node of a child. The caller must not change it, unless own returned it before.
func (tx *Tx) load(it *item) (*node, error) {
	if it.child != nil {
		return it.child, nil
	}
	if n := tx.clean[it.ref.page]; n != nil && n.key == it.ref.key {
		return n, nil
	}
	content, err := openRun(tx.file, it.ref, 1)
	if err != nil {
		return nil, tx.damage(err)
	}
	n, err := decodeNode(content)
	if err != nil {
		return nil, tx.damage(err)
	}
	n.key = it.ref.key
	if len(tx.clean) >= maxClean {
		clear(tx.clean)
	}
	tx.clean[it.ref.page] = n
	return n, nil
}

// own returns the node of a child for changes. Its page is free after the commit.
func (tx *Tx) own(it *item) (*node, error) {
	if it.child != nil {
		return it.child, nil
	}
	n, err := tx.load(it)
	if err != nil {
		return nil, err
	}
	delete(tx.clean, it.ref.page)
	tx.freed = append(tx.freed, run{it.ref.page, 1})
	it.child, it.ref = n, ref{}
	return n, nil
}

func (tx *Tx) empty() bool { return tx.root.child == nil && tx.root.ref.page == 0 }

// find returns the record with that key, or nil.
func (tx *Tx) find(key []byte) (*item, error) {
	if tx.empty() {
		return nil, nil
	}
	at := &tx.root
	for {
		n, err := tx.load(at)
		if err != nil {
			return nil, err
		}
		if n.leaf {
			i, found := n.search(key)
			if !found {
				return nil, nil
			}
			return &n.items[i], nil
		}
		if len(n.items) == 0 {
			return nil, nil
		}
		at = &n.items[n.childFor(key)]
	}
}

// ownLeaf returns the leaf whose range contains key, for changes.
func (tx *Tx) ownLeaf(key []byte) (*node, error) {
	if tx.empty() {
		tx.root.child = &node{leaf: true}
	}
	at := &tx.root
	for {
		n, err := tx.own(at)
		if err != nil || n.leaf {
			return n, err
		}
		at = &n.items[n.childFor(key)]
	}
}

// value returns a copy of a record's value.
func (tx *Tx) value(it *item) ([]byte, error) {
	if !it.long() {
		return append([]byte{}, it.value...), nil
	}
	content, err := openRun(tx.file, it.ref, pagesFor(it.size))
	if err != nil {
		return nil, tx.damage(err)
	}
	return content[:it.size:it.size], nil
}

// Get returns a copy of the value of that key, and whether it exists.
func (tx *Tx) Get(key []byte) (value []byte, found bool, err error) {
	it, err := tx.find(key)
	if err != nil || it == nil {
		return nil, false, err
	}
	value, err = tx.value(it)
	return value, err == nil, err
}

// errSize reports a key or value above the maximum: a bug of the caller.
var errSize = errors.New("key or value is too long")

// Put stores or replaces a value. The key has 1 to [MaxKeySize] bytes, the value up to [MaxValueSize].
func (tx *Tx) Put(key, value []byte) error {
	if !tx.writable {
		return ErrReadOnly
	}
	if len(key) > MaxKeySize || len(value) > MaxValueSize {
		return errSize
	}
	leaf, err := tx.ownLeaf(key)
	if err != nil {
		return err
	}
	made := item{key: bytes.Clone(key), value: bytes.Clone(value)}
	i, found := leaf.search(key)
	if found {
		tx.drop(&leaf.items[i])
		leaf.items[i] = made
		return nil
	}
	leaf.items = append(leaf.items, item{})
	copy(leaf.items[i+1:], leaf.items[i:])
	leaf.items[i] = made
	return nil
}

// Delete removes the value of that key, if it exists.
func (tx *Tx) Delete(key []byte) error {
	if !tx.writable {
		return ErrReadOnly
	}
	it, err := tx.find(key)
	if err != nil || it == nil {
		return err
	}
	leaf, err := tx.ownLeaf(key)
	if err != nil {
		return err
	}
	i, _ := leaf.search(key)
	tx.drop(&leaf.items[i])
	leaf.items = append(leaf.items[:i], leaf.items[i+1:]...)
	return nil
}

// drop frees the run of a long value.
func (tx *Tx) drop(it *item) {
	if it.long() {
		tx.freed = append(tx.freed, run{it.ref.page, pagesFor(it.size)})
	}
}

// Seek returns the first record at or above from. The key is nil if there is none.
func (tx *Tx) Seek(from []byte) (key, value []byte, err error) {
	if tx.empty() {
		return nil, nil, nil
	}
	it, err := tx.seek(&tx.root, from)
	if err != nil || it == nil {
		return nil, nil, err
	}
	if value, err = tx.value(it); err != nil {
		return nil, nil, err
	}
	return append([]byte{}, it.key...), value, nil
}

func (tx *Tx) seek(at *item, from []byte) (*item, error) {
	n, err := tx.load(at)
	if err != nil {
		return nil, err
	}
	if n.leaf {
		if i, _ := n.search(from); i < len(n.items) {
			return &n.items[i], nil
		}
		return nil, nil
	}
	for i := n.childFor(from); i < len(n.items); i++ {
		if it, err := tx.seek(&n.items[i], from); err != nil || it != nil {
			return it, err
		}
	}
	return nil, nil
}

// Before returns the last key below the given one, or nil if there is none.
func (tx *Tx) Before(key []byte) ([]byte, error) {
	if tx.empty() {
		return nil, nil
	}
	it, err := tx.before(&tx.root, key)
	if err != nil || it == nil {
		return nil, err
	}
	return append([]byte{}, it.key...), nil
}

func (tx *Tx) before(at *item, key []byte) (*item, error) {
	n, err := tx.load(at)
	if err != nil {
		return nil, err
	}
	if n.leaf {
		if i, _ := n.search(key); i > 0 {
			return &n.items[i-1], nil
		}
		return nil, nil
	}
	for i := n.childFor(key); i >= 0 && i < len(n.items); i-- {
		if it, err := tx.before(&n.items[i], key); err != nil || it != nil {
			return it, err
		}
	}
	return nil, nil
}

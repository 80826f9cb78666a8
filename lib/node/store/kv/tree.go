package kv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// The first two pages of the file of a tree are slots:
//
//	magic (16), version (4), transaction (8), ref of the topmost node or zeros (12), records (8), CRC-32C (4) of these
//
// The transaction is the last one whose changes are in the tree.
const (
	slotMagic   = "sessiontool node"
	treeVersion = 1
	slotSize    = 16 + 4 + 8 + refSize + 8 + 4
	firstPage   = 2

	// treeStep is the step in bytes by which the file grows, and what may stay free at its end.
	treeStep = 256 << 10
)

// Behind the first slot, at noteAt, is a note of the last transaction that was committed to a log: its number (8) and a
// CRC-32C (4). It is written after the log has been synced, and not synced itself: after a kill it is exact, and after a
// power cut it may be too old. With it a log that lacks its last records is known to be damaged.
const (
	noteAt   = sectorSize
	noteSize = 8 + 4
)

// note writes the number of a committed transaction.
func (t *tree) note(transaction uint64) error {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, noteSize), transaction)
	_, err := t.file.WriteAt(binary.BigEndian.AppendUint32(b, checksum(b)), noteAt)
	return err
}

// checkNote returns ErrDamaged if a transaction from next on is noted, which the logs lack.
func (t *tree) checkNote(next uint64) error {
	b := make([]byte, noteSize)
	if _, err := t.file.ReadAt(b, noteAt); err != nil {
		return fmt.Errorf("reading the number of the last transaction: %w", err)
	}
	noted := binary.BigEndian.Uint64(b)
	switch {
	case bytes.Equal(b, make([]byte, noteSize)):
		return nil
	case binary.BigEndian.Uint32(b[8:]) != checksum(b[:8]):
		return fmt.Errorf("%w: the number of the last transaction has changed", ErrDamaged)
	case noted >= next:
		return fmt.Errorf("%w: the logs lack transaction %d of %d", ErrDamaged, next, noted)
	}
	return nil
}

// root is the state of a tree.
type root struct {
	transaction uint64
	ref         ref
	records     uint64
	// readers is read-locked while a transaction reads this state. The pages that the next state has freed are
	// overwritten after it has been locked for good.
	readers *sync.RWMutex
}

func (r *root) encode() []byte {
	b := append(make([]byte, 0, slotSize), slotMagic...)
	b = binary.BigEndian.AppendUint32(b, treeVersion)
	b = r.ref.append(binary.BigEndian.AppendUint64(b, r.transaction))
	b = binary.BigEndian.AppendUint64(b, r.records)
	return binary.BigEndian.AppendUint32(b, checksum(b))
}

// parseSlot returns ErrVersion for a newer version, or ErrDamaged.
func parseSlot(b []byte) (*root, error) {
	damaged := fmt.Errorf("%w: a slot has changed", ErrDamaged)
	if string(b[:16]) != slotMagic || binary.BigEndian.Uint32(b[slotSize-4:]) !=
		checksum(b[:slotSize-4]) {
		return nil, damaged
	}
	if v := binary.BigEndian.Uint32(b[16:]); v != treeVersion {
		return nil, fmt.Errorf("%w: %d", ErrVersion, v)
	}
	r := &root{
		transaction: binary.BigEndian.Uint64(b[20:]), records: binary.BigEndian.Uint64(b[28+refSize:]),
		readers: new(sync.RWMutex),
	}
	if b := b[28 : 28+refSize]; !bytes.Equal(b, make([]byte, refSize)) {
		var ok bool
		if r.ref, ok = parseRef(b); !ok {
			return nil, damaged
		}
	}
	return r, nil
}

// readRoot returns the newer of the states in the slots.
func readRoot(f io.ReaderAt) (newest *root, err error) {
	var errs error
	for i := range int64(firstPage) {
		b := make([]byte, slotSize)
		if _, err := f.ReadAt(b, i*pageSize); err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("reading a slot: %w", err)
		}
		r, err := parseSlot(b)
		errs = errors.Join(errs, err)
		if errors.Is(err, ErrVersion) {
			return nil, err
		}
		if err == nil && (newest == nil || r.transaction > newest.transaction) {
			newest = r
		}
	}
	if newest == nil {
		return nil, errs
	}
	return newest, nil
}

// tree is the file of a tree.
type tree struct {
	file  File
	space space

	mu    sync.Mutex
	cache map[uint32]cached // by page
}

// cached is a node in memory.
type cached struct {
	ref ref
	*node
}

const (
	// maxCached bounds the nodes that a tree keeps in memory, and maxCachedSize the size of each in bytes.
	maxCached     = 128
	maxCachedSize = 2 * targetSize
)

// load returns a node.
func (t *tree) load(r ref) (*node, error) {
	t.mu.Lock()
	known, ok := t.cache[r.page]
	t.mu.Unlock()
	if ok && known.ref == r {
		return known.node, nil
	}
	n, err := readNode(t.file, r)
	if err != nil {
		return nil, err
	}
	if r.length <= maxCachedSize {
		t.mu.Lock()
		defer t.mu.Unlock()
		for page := range t.cache {
			if len(t.cache) < maxCached {
				break
			}
			delete(t.cache, page)
		}
		t.cache[r.page] = cached{r, n}
	}
	return n, nil
}

func readNode(f io.ReaderAt, r ref) (*node, error) {
	raw := make([]byte, r.length)
	if _, err := f.ReadAt(raw, int64(r.page)*pageSize); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%w: page %d is behind the end of the file", ErrDamaged, r.page)
		}
		return nil, fmt.Errorf("reading page %d: %w", r.page, err)
	}
	n, err := decodeNode(raw)
	if err != nil {
		return nil, fmt.Errorf("page %d: %w", r.page, err)
	}
	if binary.BigEndian.Uint32(raw[4:]) != r.sum || n.page() != r.page {
		return nil, fmt.Errorf("%w: page %d has other content", ErrDamaged, r.page)
	}
	return n, nil
}

// loadSpace finds the used pages. It reads all nodes but the leaves.
func (t *tree) loadSpace(r *root) error {
	if err := t.space.take(0, firstPage); err != nil {
		return err
	}
	t.space.hint = firstPage
	if r.ref == (ref{}) {
		return nil
	}
	return t.takeNodes(r.ref, maxLevels)
}

// takeNodes takes the pages of a node below the given level, and of all nodes below it.
func (t *tree) takeNodes(r ref, below uint32) error {
	if err := t.space.take(r.page, r.pages()); err != nil {
		return err
	}
	n, err := readNode(t.file, r)
	if err != nil {
		return err
	}
	if n.level >= below {
		return fmt.Errorf("%w: page %d has level %d", ErrDamaged, r.page, n.level)
	}
	for i := range n.count {
		switch {
		case n.level == 0:
			return nil
		case n.level == 1:
			err = t.space.take(n.child(i).page, n.child(i).pages())
		default:
			err = t.takeNodes(n.child(i), n.level)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// find returns the value of a key, and whether it exists.
func (t *tree) find(r *root, key []byte) (value []byte, found bool, err error) {
	if r.ref == (ref{}) {
		return nil, false, nil
	}
	for at, below := r.ref, uint32(maxLevels); ; {
		n, err := t.load(at)
		if err != nil {
			return nil, false, err
		}
		if n.level >= below {
			return nil, false, fmt.Errorf("%w: page %d has level %d", ErrDamaged, at.page, n.level)
		}
		if n.level == 0 {
			i := n.search(key)
			if i == n.count || !bytes.Equal(n.key(i), key) {
				return nil, false, nil
			}
			return n.item(i).value, true, nil
		}
		at, below = n.child(n.childFor(key)), n.level
	}
}

// treeCursor walks a tree in key order.
type treeCursor struct {
	tree *tree
	root *root
	path []step // from the topmost node to a leaf; empty behind the end
}

// step is a node and the index of an item of it.
type step struct {
	node  *node
	index int
}

// seek moves to the first record at or above key.
func (c *treeCursor) seek(key []byte) error {
	c.path = c.path[:0]
	if c.root.ref == (ref{}) {
		return nil
	}
	if err := c.descend(c.root.ref, key); err != nil {
		return err
	}
	last := &c.path[len(c.path)-1]
	if last.index = last.node.search(key); last.index == last.node.count {
		last.index--
		return c.next()
	}
	return nil
}

// descend extends the path with a node and the nodes below it that lead to key, or to the first leaf for nil.
func (c *treeCursor) descend(r ref, key []byte) error {
	for {
		n, err := c.tree.load(r)
		if err != nil {
			return err
		}
		if depth := len(c.path); depth > 0 && n.level != c.path[depth-1].node.level-1 {
			return fmt.Errorf("%w: page %d has level %d", ErrDamaged, r.page, n.level)
		}
		s := step{node: n}
		if n.level > 0 && key != nil {
			s.index = n.childFor(key)
		}
		c.path = append(c.path, s)
		if n.level == 0 {
			return nil
		}
		r = n.child(s.index)
	}
}

func (c *treeCursor) current() (it item, ok bool) {
	if len(c.path) == 0 {
		return item{}, false
	}
	last := c.path[len(c.path)-1]
	return last.node.item(last.index), true
}

func (c *treeCursor) next() error {
	for len(c.path) > 0 {
		last := &c.path[len(c.path)-1]
		if last.index++; last.index < last.node.count {
			if last.node.level == 0 {
				return nil
			}
			return c.descend(last.node.child(last.index), nil)
		}
		c.path = c.path[:len(c.path)-1]
	}
	return nil
}

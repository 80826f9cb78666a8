package kv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
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
	_, err := t.file.WriteAt(binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)), noteAt)
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
	case binary.BigEndian.Uint32(b[8:]) != crc32.Checksum(b[:8], castagnoli):
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
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// parseSlot returns ErrVersion for a newer version, or ErrDamaged.
func parseSlot(b []byte) (*root, error) {
	damaged := fmt.Errorf("%w: a slot has changed", ErrDamaged)
	if string(b[:16]) != slotMagic || binary.BigEndian.Uint32(b[slotSize-4:]) !=
		crc32.Checksum(b[:slotSize-4], castagnoli) {
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

// writer writes a new state of a tree.
type writer struct {
	*tree
	transaction uint64
	records     uint64
	freed       []ref
	made        []ref
}

// write makes the changes, which are in key order, and returns the new state. It is on disk when write returns. After
// an error the tree has its former state.
func (t *tree) write(before *root, transaction uint64, changes []*entry) (after *root, err error) {
	if err := t.shrink(); err != nil {
		return nil, err
	}
	w := &writer{tree: t, transaction: transaction, records: before.records}
	top, err := w.rewrite(before.ref, changes)
	if err == nil {
		err = t.file.Sync()
	}
	if err != nil {
		t.release(w.made)
		return nil, err
	}
	after = &root{transaction: transaction, ref: top, records: w.records, readers: new(sync.RWMutex)}
	if err := t.publish(after); err != nil {
		return nil, err // a slot may have the new state, so its pages stay in use
	}
	t.release(w.freed)
	return after, nil
}

// release marks the pages of nodes as free.
func (t *tree) release(nodes []ref) {
	for _, r := range nodes {
		t.space.free(r.page, r.pages())
	}
	t.space.trim()
}

// publish writes the slots. The first one is on disk when it returns, the second one after the next sync.
func (t *tree) publish(r *root) error {
	slot := r.encode()
	if _, err := t.file.WriteAt(slot, 0); err != nil {
		return err
	}
	if err := t.file.Sync(); err != nil {
		return err
	}
	_, err := t.file.WriteAt(slot, pageSize)
	return err
}

// shrink truncates free space at the end of the file.
func (t *tree) shrink() error {
	size, err := t.file.Size()
	if keep := (int64(t.space.pages)*pageSize + treeStep) / treeStep * treeStep; err == nil && size > keep+treeStep {
		err = t.file.Truncate(keep)
	}
	return err
}

// rewrite makes changes below a topmost node, and returns the new topmost node.
func (w *writer) rewrite(top ref, changes []*entry) (ref, error) {
	var content []item
	level := uint32(0)
	if top == (ref{}) {
		content = w.merge(nil, changes)
	} else {
		n, err := w.load(top)
		if err != nil {
			return ref{}, err
		}
		level = n.level
		if content, err = w.edit(top, n, changes); err != nil {
			return ref{}, err
		}
	}
	for {
		if level > 0 && len(content) == 1 {
			r, _ := parseRef(content[0].value)
			return r, nil
		}
		nodes, err := w.emit(level, content)
		switch {
		case err != nil || len(nodes) == 0:
			return ref{}, err
		case level+1 >= maxLevels:
			return ref{}, errors.New("the tree is too deep")
		}
		content, level = nodes, level+1
	}
}

// merge returns the items with the changes.
func (w *writer) merge(old *node, changes []*entry) []item {
	count := 0
	if old != nil {
		count = old.count
	}
	merged := make([]item, 0, count+len(changes))
	i := 0
	for _, c := range changes {
		for ; i < count && bytes.Compare(old.key(i), c.key) < 0; i++ {
			merged = append(merged, old.item(i))
		}
		if i < count && bytes.Equal(old.key(i), c.key) {
			i++
			w.records--
		}
		if !c.deleted {
			merged = append(merged, item{c.key, c.value})
			w.records++
		}
	}
	for ; i < count; i++ {
		merged = append(merged, old.item(i))
	}
	return merged
}

// edit frees a node and returns what is to be in its place: the items of one or more nodes, or none.
func (w *writer) edit(at ref, n *node, changes []*entry) ([]item, error) {
	w.freed = append(w.freed, at)
	if n.level == 0 {
		return w.merge(n, changes), nil
	}
	p := &pending{writer: w, level: n.level - 1}
	for i := range n.count {
		part := changes
		if i+1 < n.count {
			next := n.key(i + 1)
			end, _ := slices.BinarySearchFunc(changes, next, func(c *entry, key []byte) int {
				return bytes.Compare(c.key, key)
			})
			part, changes = changes[:end], changes[end:]
		}
		if len(part) == 0 && !p.small() {
			if err := p.flush(); err != nil {
				return nil, err
			}
			p.children = append(p.children, n.item(i))
			continue
		}
		child, err := w.loadChild(n, i)
		if err != nil {
			return nil, err
		}
		content, err := w.edit(n.child(i), child, part)
		if err != nil {
			return nil, err
		}
		if err := p.add(content); err != nil {
			return nil, err
		}
	}
	return p.finish()
}

func (w *writer) loadChild(n *node, i int) (*node, error) {
	child, err := w.load(n.child(i))
	if err == nil && child.level != n.level-1 {
		err = fmt.Errorf("%w: page %d has level %d", ErrDamaged, child.page(), child.level)
	}
	return child, err
}

// pending collects the items of changed nodes that follow each other, until they are written.
type pending struct {
	*writer
	level    uint32 // of the nodes
	items    []item
	size     int
	children []item // written or unchanged nodes
}

// small reports whether there are items, but too few for a node of their own.
func (p *pending) small() bool { return len(p.items) > 0 && p.size < smallSize }

// add appends items. It writes nodes when there are many.
func (p *pending) add(items []item) error {
	p.items = append(p.items, items...)
	for _, it := range items {
		p.size += it.size()
	}
	if p.size < 16*targetSize {
		return nil
	}
	parts := split(p.items)
	last := parts[len(parts)-1]
	for _, part := range parts[:len(parts)-1] {
		made, err := p.put(p.level, part)
		if err != nil {
			return err
		}
		p.children = append(p.children, made)
	}
	p.items, p.size = slices.Clone(last), 0
	for _, it := range last {
		p.size += it.size()
	}
	return nil
}

func (p *pending) flush() error {
	made, err := p.emit(p.level, p.items)
	p.children = append(p.children, made...)
	p.items, p.size = nil, 0
	return err
}

// finish writes the rest and returns all nodes. If the rest is small, it joins the node before it.
func (p *pending) finish() ([]item, error) {
	if last := len(p.children) - 1; p.small() && last >= 0 {
		at, _ := parseRef(p.children[last].value)
		n, err := p.load(at)
		if err != nil {
			return nil, err
		}
		p.freed = append(p.freed, at)
		joined := make([]item, 0, n.count+len(p.items))
		for i := range n.count {
			joined = append(joined, n.item(i))
		}
		p.items, p.children = append(joined, p.items...), p.children[:last]
	}
	err := p.flush()
	return p.children, err
}

// split divides items into parts of about the same size that fit into a node each.
func split(items []item) (parts [][]item) {
	total := 0
	for _, it := range items {
		total += it.size()
	}
	const room = targetSize - nodeHeader
	target := total / ((total + room - 1) / room) // as large for all
	from, size := 0, 0
	for i, it := range items {
		if i > from && (size+it.size() > room || size >= target) {
			parts = append(parts, items[from:i:i])
			from, size = i, 0
		}
		size += it.size()
	}
	return append(parts, items[from:])
}

// emit writes items to as many nodes as they need and returns those.
func (w *writer) emit(level uint32, items []item) (nodes []item, err error) {
	if len(items) == 0 {
		return nil, nil
	}
	for _, part := range split(items) {
		made, err := w.put(level, part)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, made)
	}
	return nodes, nil
}

// put writes a node and returns it as a child.
func (w *writer) put(level uint32, items []item) (item, error) {
	size := nodeHeader
	for _, it := range items {
		size += it.size()
	}
	r := ref{length: uint32(size)}
	r.page = w.space.allocate(r.pages())
	w.made = append(w.made, r)
	raw, sum := encodeNode(r.page, w.transaction, level, items, size-nodeHeader)
	r.sum = sum
	if _, err := w.file.WriteAt(raw, int64(r.page)*pageSize); err != nil {
		return item{}, err
	}
	return item{items[0].key, r.append(nil)}, nil
}

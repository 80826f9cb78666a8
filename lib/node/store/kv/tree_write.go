package kv

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
)

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

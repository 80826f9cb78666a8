package tree

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

const (
	// growBy is the step in bytes by which a file grows, so that few commits change its size.
	growBy = 256 << 10
	// InitialSize is the size of a new file in bytes.
	InitialSize = 1 << 20
	// keepFree is how many bytes may stay free at the end of a file.
	keepFree = 1 << 20
)

// write is a run that a commit writes.
type write struct {
	page uint32
	data []byte
}

// commit is a commit in progress.
type commit struct {
	*Tx
	writes []write
}

// Create writes a tree without records into an empty file, and syncs it.
func Create(f File, key Key, head Head) error {
	if len(head.Part) > maxPart {
		return fmt.Errorf("part of %d bytes", len(head.Part))
	}
	state := binary.BigEndian.AppendUint32(ref{}.append(nil), firstPage)
	state = append(binary.BigEndian.AppendUint32(state, 1), 1<<firstPage-1)
	page := encodeSlot(&key, head, 1, nil, [digestSize]byte{}, state)
	// Write the blank slot, too: it must have room when the disk is full.
	if _, err := f.WriteAt(append(blankPage[:PageSize:PageSize], page...), 0); err != nil {
		return err
	}
	if err := f.Truncate(InitialSize); err != nil {
		return err
	}
	return f.Sync()
}

// NewID returns a random file id.
func NewID() (id [SizeOfID]byte) {
	rand.Read(id[:])
	return id
}

// Commit makes the changes durable and erases what they replaced. The transaction ends. An error means that nothing has
// changed, except after a failed erasure: then the changes are durable.
func (tx *Tx) Commit() error {
	switch {
	case !tx.writable:
		return ErrReadOnly
	case tx.damaged != nil:
		return tx.damaged
	case tx.root.child == nil && !tx.headChanged:
		return nil
	}
	if err := tx.settle(); err != nil {
		return err
	}
	c := &commit{Tx: tx}
	if err := c.saveRoot(); err != nil {
		return err
	}
	state := c.state()
	slot := 1 - tx.slot
	if err := c.store(slot, state); err != nil {
		// Other transactions must not read what is not durable.
		return errors.Join(err, tx.erase(slot))
	}
	if err := tx.erase(tx.slot); err != nil {
		return fmt.Errorf("erasing what was replaced: %w", err)
	}
	return c.shrink()
}

// settle syncs the last commit before the content that it replaced is overwritten.
func (tx *Tx) settle() error {
	if !tx.unsynced {
		return nil
	}
	if err := tx.file.Sync(); err != nil {
		return err
	}
	tx.unsynced = false
	return nil
}

// erase overwrites a slot with zeros. That is durable after the next sync, or when the system flushes its cache.
func (tx *Tx) erase(slot int) error {
	_, err := tx.file.WriteAt(make([]byte, PageSize), int64(slot)*PageSize)
	return err
}

// saveRoot writes all changed nodes and sets the root. A root branch with a single child is replaced by that child.
func (c *commit) saveRoot() error {
	top := c.root.child
	if top == nil {
		return nil
	}
	if err := c.saveBelow(top); err != nil {
		return err
	}
	items := top.items
	if top.leaf || len(items) > 1 {
		items = c.put(top)
	}
	for len(items) > 1 {
		items = c.put(&node{items: items})
	}
	c.root = item{}
	if len(items) == 1 {
		c.root = items[0]
	}
	return nil
}

// saveBelow writes everything below a changed node, long values or changed children, and stores their refs in the node.
func (c *commit) saveBelow(n *node) error {
	if n.leaf {
		for i := range n.items {
			if it := &n.items[i]; !it.long() && len(it.value) > maxInline {
				it.ref, it.size, it.value = c.seal(it.value), len(it.value), nil
			}
		}
		return nil
	}
	if err := c.merge(n); err != nil {
		return err
	}
	saved := make([]item, 0, len(n.items))
	for i := range n.items {
		child := n.items[i].child
		if child == nil {
			saved = append(saved, n.items[i])
			continue
		}
		if err := c.saveBelow(child); err != nil {
			return err
		}
		saved = append(saved, c.put(child)...)
	}
	n.items = saved
	return nil
}

// merge joins changed children below mergeAt with a neighbour, and drops empty ones.
func (c *commit) merge(n *node) error {
	n.items = slices.DeleteFunc(n.items, func(it item) bool { return it.child != nil && len(it.child.items) == 0 })
	for i := 0; i < len(n.items) && len(n.items) > 1; i++ {
		if child := n.items[i].child; child == nil || child.encodedSize() >= mergeAt {
			continue
		}
		left := max(i-1, 0)
		into, err := c.own(&n.items[left])
		if err != nil {
			return err
		}
		from, err := c.own(&n.items[left+1])
		if err != nil {
			return err
		}
		into.items = append(slices.Clip(into.items), from.items...)
		n.items = slices.Delete(n.items, left+1, left+2)
		i = left - 1 // the joined node may still be small
	}
	return nil
}

// put writes a node to as many pages as it needs and returns them as children. A node without items needs none.
func (c *commit) put(n *node) []item {
	var children []item
	for _, part := range n.split() {
		children = append(children, item{key: part[0].key, ref: c.seal(encodeNode(n.leaf, part))})
	}
	return children
}

// seal allocates a run for content and seals the content under a new key.
func (c *commit) seal(content []byte) ref {
	data, key := sealRun(content)
	page := c.space.allocate(uint32(len(data) / PageSize))
	c.writes = append(c.writes, write{page, data})
	return ref{page, key}
}

// state returns the new state, in which replaced pages are free.
func (c *commit) state() []byte {
	var reserved run
	if len(c.space.bits) > maxInMap {
		reserved.pages = pagesFor(len(c.space.bits) + PageSize) // the map also fits with the reserved pages in it
		reserved.page = c.space.allocate(reserved.pages)
	}
	for _, f := range c.freed {
		c.space.free(f.page, f.pages)
	}
	c.space.trim()
	long := len(c.space.bits) > maxInMap
	if reserved.pages > 0 && !long {
		c.space.free(reserved.page, reserved.pages)
		c.space.trim()
	}
	state := binary.BigEndian.AppendUint32(c.root.ref.append(nil), c.space.pages)
	if !long {
		return append(binary.BigEndian.AppendUint32(state, uint32(len(c.space.bits))), c.space.bits...)
	}
	size := int(reserved.pages)*PageSize - tagSize
	data, key := sealRun(append(c.space.bits, make([]byte, size-len(c.space.bits))...))
	c.writes = append(c.writes, write{reserved.page, data})
	return ref{reserved.page, key}.append(binary.BigEndian.AppendUint32(state, uint32(size)))
}

// store writes all runs and the slot, and syncs.
func (c *commit) store(slot int, state []byte) error {
	slices.SortFunc(c.writes, func(a, b write) int { return cmp.Compare(a.page, b.page) })
	if err := c.grow(); err != nil {
		return err
	}
	var listed []uint32
	hash := sha256.New()
	for _, w := range c.writes {
		if _, err := c.file.WriteAt(w.data, int64(w.page)*PageSize); err != nil {
			return err
		}
		for i := range uint32(len(w.data) / PageSize) {
			if len(listed) <= maxListed {
				listed = append(listed, w.page+i)
			}
		}
		hash.Write(w.data)
	}
	if len(listed) > maxListed {
		if err := c.file.Sync(); err != nil {
			return err
		}
		listed = nil
	}
	page := encodeSlot(&c.key, c.head, c.transaction+1, listed, [digestSize]byte(hash.Sum(nil)), state)
	if _, err := c.file.WriteAt(page, int64(slot)*PageSize); err != nil {
		return err
	}
	return c.file.Sync()
}

// end returns the number of bytes that the file needs.
func (c *commit) end() int64 {
	end := int64(c.space.pages) * PageSize
	for _, w := range c.writes {
		end = max(end, int64(w.page)*PageSize+int64(len(w.data)))
	}
	return end
}

// grow extends a file that is too short, with room to spare.
func (c *commit) grow() error {
	size, err := c.file.Size()
	if end := c.end(); err == nil && end > size {
		err = c.file.Truncate((end + growBy) / growBy * growBy)
	}
	return err
}

// shrink truncates free space at the end of the file.
func (c *commit) shrink() error {
	size, err := c.file.Size()
	if keep := max(InitialSize, (c.end()+growBy)/growBy*growBy); err == nil && size > keep+keepFree {
		err = c.file.Truncate(keep)
	}
	return err
}

package kv

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Check reads everything and returns the number of records in the tree. The error is ErrDamaged, or that of ctx.
func (db *DB) Check(ctx context.Context) (records uint64, err error) {
	s := db.acquire()
	defer s.root.readers.RUnlock()
	c := &checker{ctx: ctx, file: db.tree.file}
	if s.root.ref != (ref{}) {
		if err := c.node(s.root.ref, maxLevels); err != nil {
			return 0, err
		}
	}
	if c.records != s.root.records {
		return 0, fmt.Errorf("%w: %d records of %d", ErrDamaged, c.records, s.root.records)
	}
	return c.records, nil
}

type checker struct {
	ctx     context.Context
	file    File
	last    []byte // the key before
	records uint64
}

func (c *checker) node(r ref, below uint32) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	n, err := readNode(c.file, r)
	if err != nil {
		return err
	}
	if n.level >= below {
		return fmt.Errorf("%w: page %d has level %d", ErrDamaged, r.page, n.level)
	}
	for i := range n.count {
		if n.level > 0 {
			if err := c.node(n.child(i), n.level); err != nil {
				return err
			}
			continue
		}
		if bytes.Compare(c.last, n.key(i)) >= 0 {
			return fmt.Errorf("%w: page %d is out of order", ErrDamaged, r.page)
		}
		c.last, c.records = n.key(i), c.records+1
	}
	return nil
}

// Salvaged says what [Salvage] found.
type Salvaged struct {
	// Damage is what was found to be damaged, nil if nothing was.
	Damage []error
	// Records is the number of records of the tree that were found by way of whole pages, and Orphans that of those in
	// whole pages to which damaged ones referred.
	Records, Orphans uint64
	// Changes is the number of changes in records of the logs.
	Changes uint64
}

// Salvage reads what is whole in the database at path and writes it to another one. Pages below a damaged one are found
// by their content. They may include records that had been deleted or replaced since: of several with the same key, the
// latest counts. The database at path is not changed. The error is that of the disk or of ctx.
func Salvage(ctx context.Context, path string, into *DB) (Salvaged, error) {
	var all [3]File
	defer func() { closeAll(all) }() // which were only read
	s := &salvage{ctx: ctx, into: into}
	for i, name := range Files(path) {
		file, err := openFile(name, 0)
		if err != nil {
			if i == 0 && !errors.Is(err, ErrDamaged) {
				return s.found, err
			}
			s.damaged(err)
			continue
		}
		if i == 0 {
			if err := lock(file.File); err != nil {
				return s.found, errors.Join(err, file.Close())
			}
		}
		all[i] = file
	}
	if all[0] != nil {
		if err := s.tree(all[0]); err != nil {
			return s.found, err
		}
	}
	if err := s.checkLogs(all); err != nil {
		return s.found, err
	}
	for _, file := range all[1:] {
		if file != nil {
			if err := s.log(file); err != nil {
				return s.found, err
			}
		}
	}
	if err := s.apply(); err != nil {
		return s.found, err
	}
	return s.found, s.write()
}

// salvage is a Salvage in progress.
type salvage struct {
	ctx   context.Context
	into  *DB
	found Salvaged

	transaction uint64          // the last one in the tree
	whole       map[uint32]bool // leaves that were read by way of whole pages
	lost        []span          // of keys whose leaves were not found that way
	records     map[uint64][]byte

	batch []change
	size  int
}

// span is a range of keys. An empty end is that of all keys.
type span struct{ from, to []byte }

func (s span) has(key []byte) bool {
	return bytes.Compare(key, s.from) >= 0 && (len(s.to) == 0 || bytes.Compare(key, s.to) < 0)
}

type change struct {
	key, value []byte
	deleted    bool
}

func (s *salvage) damaged(err error) { s.found.Damage = append(s.found.Damage, err) }

// put adds a change to those that are written next.
func (s *salvage) put(c change) error {
	s.batch = append(s.batch, c)
	if s.size += len(c.key) + len(c.value); s.size < maxTable/4 {
		return nil
	}
	return s.write()
}

func (s *salvage) write() error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	err := s.into.Update(func(tx *Tx) error {
		for _, c := range s.batch {
			if err := tx.change(c.key, c.value, c.deleted); err != nil {
				return err
			}
		}
		return nil
	})
	s.batch, s.size = nil, 0
	return err
}

// tree reads the file of a tree: what the slots lead to, and then, for the rest, all pages.
func (s *salvage) tree(f File) error {
	s.whole = make(map[uint32]bool)
	switch top, err := readRoot(f); {
	case err == nil:
		s.transaction = top.transaction
		if top.ref != (ref{}) {
			if err := s.node(f, top.ref, maxLevels, span{}); err != nil {
				return err
			}
		}
	case errors.Is(err, ErrDamaged):
		s.damaged(err)
		s.lost = append(s.lost, span{})
	default:
		return err
	}
	if len(s.lost) == 0 {
		return nil
	}
	return s.orphans(f)
}

// node writes the records below a node. It remembers the keys of damaged nodes.
func (s *salvage) node(f File, r ref, below uint32, keys span) error {
	n, err := readNode(f, r)
	if err == nil && n.level >= below {
		err = fmt.Errorf("%w: page %d has level %d", ErrDamaged, r.page, n.level)
	}
	if errors.Is(err, ErrDamaged) {
		s.damaged(err)
		s.lost = append(s.lost, keys)
		return nil
	}
	if err != nil {
		return err
	}
	if n.level == 0 {
		s.whole[r.page] = true
	}
	for i := range n.count {
		it := n.item(i)
		if n.level == 0 {
			s.found.Records++
			if err := s.put(change{key: it.key, value: it.value}); err != nil {
				return err
			}
			continue
		}
		part := keys
		if i > 0 {
			part.from = it.key
		}
		if i+1 < n.count {
			part.to = n.key(i + 1)
		}
		if err := s.node(f, n.child(i), n.level, part); err != nil {
			return err
		}
	}
	return nil
}

// leaf is where a leaf was found.
type leaf struct {
	page        uint32
	transaction uint64
}

// orphans writes the records with lost keys from all leaves that are whole, the latest leaf last.
func (s *salvage) orphans(f File) error {
	size, err := f.Size()
	if err != nil {
		return err
	}
	var leaves []leaf
	for page := uint32(firstPage); int64(page)*pageSize < size; page++ {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		n, err := orphan(f, page, size)
		if err != nil {
			return err
		}
		if n != nil && !s.whole[page] {
			leaves = append(leaves, leaf{page, n.transaction()})
		}
	}
	slices.SortFunc(leaves, func(a, b leaf) int {
		switch {
		case a.transaction < b.transaction:
			return -1
		case a.transaction > b.transaction:
			return 1
		}
		return 0
	})
	for _, l := range leaves {
		n, err := orphan(f, l.page, size)
		if err != nil {
			return err
		}
		s.transaction = max(s.transaction, l.transaction)
		for i := range n.count {
			it := n.item(i)
			if !slices.ContainsFunc(s.lost, func(keys span) bool { return keys.has(it.key) }) {
				continue
			}
			s.found.Orphans++
			if err := s.put(change{key: it.key, value: it.value}); err != nil {
				return err
			}
		}
	}
	return nil
}

// orphan returns the leaf that begins at a page, nil if none does.
func orphan(f File, page uint32, size int64) (*node, error) {
	var head [nodeHeader]byte
	at := int64(page) * pageSize
	if size-at < nodeHeader {
		return nil, nil
	}
	if _, err := f.ReadAt(head[:], at); err != nil {
		return nil, fmt.Errorf("reading page %d: %w", page, err)
	}
	length := int64(binary.BigEndian.Uint32(head[12:]))
	if string(head[:4]) != nodeMagic || length > maxNodeSize || length > size-at {
		return nil, nil
	}
	n, err := readNode(f, ref{page, uint32(length), binary.BigEndian.Uint32(head[4:])})
	if errors.Is(err, ErrDamaged) || err == nil && n.level > 0 {
		return nil, nil
	}
	return n, err
}

// checkLogs looks for damage that keeps the logs from being replayed.
func (s *salvage) checkLogs(all [3]File) error {
	if len(s.found.Damage) > 0 || slices.Contains(all[:], nil) {
		return nil // known to be damaged
	}
	next, err := replay(all[1:], s.transaction+1, func(changes []byte) error {
		return eachChange(changes, func(_, _ []byte, _ bool) {})
	})
	if err == nil {
		err = (&tree{file: all[0]}).checkNote(next)
	}
	if errors.Is(err, ErrDamaged) {
		s.damaged(err)
		return nil
	}
	return err
}

// log collects the complete records of a log, also those behind damaged ones.
func (s *salvage) log(f File) error {
	size, err := f.Size()
	if err != nil {
		return err
	}
	if _, err := newLogReader(f); err != nil {
		s.damaged(err)
	}
	r := &logReader{file: f, sectors: size / sectorSize}
	for r.at < r.sectors {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		first, err := r.sector(r.at)
		if err != nil {
			return err
		}
		changes, err := []byte(nil), errRecord
		if first.state == sectorGood {
			changes, err = r.next(first.transaction)
		}
		switch {
		case err == nil:
			if s.records == nil {
				s.records = make(map[uint64][]byte)
			}
			s.records[first.transaction] = changes
		case err == errRecord, errors.Is(err, ErrDamaged):
			r.at++
		default:
			return err
		}
	}
	return nil
}

// apply writes the changes of the logs that are later than the tree, in order.
func (s *salvage) apply() error {
	var order []uint64
	for transaction := range s.records {
		if transaction > s.transaction {
			order = append(order, transaction)
		}
	}
	slices.Sort(order)
	for _, transaction := range order {
		var failed error
		err := eachChange(s.records[transaction], func(key, value []byte, deleted bool) {
			s.found.Changes++
			failed = errors.Join(failed, s.put(change{key, value, deleted}))
		})
		if err = errors.Join(err, failed); err != nil {
			return err
		}
	}
	return nil
}

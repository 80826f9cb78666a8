package tree

import (
	"bytes"
	"fmt"
)

// Check reads everything and returns the number of records. It returns [ErrCorrupt] if a page is damaged, keys are out
// of order, a page is used twice, or the map of used pages is wrong. The transaction must not have changes. Check
// returns the error of stop, which it calls before each node.
func (tx *Tx) Check(stop func() error) (records int, err error) {
	c := &check{tx: tx, stop: stop, seen: space{pages: tx.space.pages}}
	for _, r := range tx.freed { // a transaction without changes has only the run of the map here
		if err := c.use(r.page, r.pages); err != nil {
			return 0, err
		}
	}
	if !tx.empty() {
		if err := c.node(tx.root.ref, 0); err != nil {
			return 0, err
		}
	}
	for page := range max(tx.space.pages, uint32(len(tx.space.bits))*8) {
		if page >= firstPage && tx.space.used(page) != c.seen.used(page) {
			return 0, fmt.Errorf("%w: the map of used pages is wrong for page %d", ErrCorrupt, page)
		}
	}
	return c.records, nil
}

type check struct {
	tx      *Tx
	stop    func() error
	seen    space
	last    []byte // the key before
	records int
}

func (c *check) use(page, n uint32) error {
	for i := range n {
		if page+i < firstPage || c.seen.used(page+i) {
			return fmt.Errorf("%w: page %d is used twice", ErrCorrupt, page+i)
		}
	}
	c.seen.set(page, n, true)
	return nil
}

// maxDepth is the largest depth of a tree: far more than a file that fits on a disk has.
const maxDepth = 32

func (c *check) node(r ref, depth int) error {
	if err := c.stop(); err != nil {
		return err
	}
	if depth > maxDepth {
		return fmt.Errorf("%w: too many levels", ErrCorrupt)
	}
	if err := c.use(r.page, 1); err != nil {
		return err
	}
	content, err := openRun(c.tx.file, r, 1)
	if err != nil {
		return err
	}
	n, err := decodeNode(content)
	if err != nil {
		return err
	}
	for i := range n.items {
		it := &n.items[i]
		if !n.leaf {
			if err := c.node(it.ref, depth+1); err != nil {
				return err
			}
			continue
		}
		if c.records > 0 && bytes.Compare(it.key, c.last) <= 0 {
			return fmt.Errorf("%w: keys are out of order", ErrCorrupt)
		}
		c.last, c.records = it.key, c.records+1
		if it.long() {
			if err := c.use(it.ref.page, pagesFor(it.size)); err != nil {
				return err
			}
			if _, err := c.tx.value(it); err != nil {
				return err
			}
		}
	}
	return nil
}

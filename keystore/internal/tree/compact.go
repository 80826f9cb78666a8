package tree

import "math/bits"

// maxPasses bounds the passes of Compact: each pass also moves the nodes above the pages that it moves.
const maxPasses = 8

// Compact moves pages from the end of the file to free pages before them, truncates the file, and makes the erasure of
// replaced content durable. It holds the moved records in memory. Compact returns the error of stop, which it calls
// between steps; completed passes stay.
func Compact(f File, key Key, stop func() error) error {
	for range maxPasses {
		tx, err := Begin(f, key, true)
		if err != nil {
			return err
		}
		moved, err := tx.moveDown(stop)
		if err != nil {
			return err
		}
		if !moved {
			return tx.finishCompact()
		}
		if err := tx.Commit(); err != nil {
			return err
		}
	}
	tx, err := Begin(f, key, true)
	if err != nil {
		return err
	}
	return tx.finishCompact()
}

// finishCompact erases the other slot, which a killed process may have written, truncates the file, and syncs it.
func (tx *Tx) finishCompact() error {
	if err := tx.settle(); err != nil {
		return err
	}
	if err := tx.erase(1 - tx.slot); err != nil {
		return err
	}
	if err := tx.file.Truncate(max(InitialSize, int64(tx.space.pages)*PageSize)); err != nil {
		return err
	}
	return tx.file.Sync()
}

// moveDown marks every record behind the target size as changed, so that the next commit writes it elsewhere. It
// reports whether there were any.
func (tx *Tx) moveDown(stop func() error) (moved bool, err error) {
	used := uint32(0)
	for _, b := range tx.space.bits {
		used += uint32(bits.OnesCount8(b))
	}
	// The slots, the used pages, and some room for the nodes above moved pages.
	target := firstPage + used + used/64
	if tx.empty() || tx.space.pages <= target {
		return false, nil
	}
	var keys [][]byte
	if _, err := tx.collect(tx.root.ref, target, &keys, stop); err != nil {
		return false, err
	}
	for _, key := range keys {
		if err := stop(); err != nil {
			return false, err
		}
		value, found, err := tx.Get(key)
		if err != nil {
			return false, err
		}
		if found {
			if err := tx.Put(key, value); err != nil {
				return false, err
			}
		}
	}
	return len(keys) > 0, nil
}

// collect appends, for each page at or behind target, a key whose record is in that page or below it. It returns the
// first key below the node.
func (tx *Tx) collect(r ref, target uint32, keys *[][]byte, stop func() error) (first []byte, err error) {
	if err := stop(); err != nil {
		return nil, err
	}
	n, err := tx.load(&item{ref: r})
	if err != nil {
		return nil, err
	}
	for i := range n.items {
		it, key := &n.items[i], n.items[i].key
		if !n.leaf {
			if key, err = tx.collect(it.ref, target, keys, stop); err != nil {
				return nil, err
			}
		} else if it.long() && it.ref.page+pagesFor(it.size) > target {
			*keys = append(*keys, append([]byte{}, key...))
		}
		if i == 0 {
			first = key
		}
	}
	if r.page >= target && first != nil {
		*keys = append(*keys, append([]byte{}, first...))
	}
	return first, nil
}

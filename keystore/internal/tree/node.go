package tree

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"sort"
)

// A node is a page:
//
//	kind (1), number of items (2), items
//
// The kind is 1 for a leaf and 2 for a branch. An item of a leaf is
//
//	length of key (1), key, length of value (4, the highest bit set for a long one), value or ref of its run
//
// An item of a branch is
//
//	length of key (1), key, ref of the child
//
// Items are in key order. The key in a branch is a lower bound of the child's keys; that of the first child is ignored.
const (
	kindLeaf   = 1
	kindBranch = 2

	nodeHeader   = 1 + 2
	nodeCapacity = PageSize - tagSize
	// maxInline is the length of the longest value in a leaf in bytes: three of them fit.
	maxInline = 1200
	// Split nodes are filled up to splitAt bytes; a node below mergeAt bytes joins its neighbour.
	splitAt = nodeCapacity * 3 / 4
	mergeAt = nodeCapacity / 4

	longBit = 1 << 31
)

// item is a record of a leaf or a child of a branch.
type item struct {
	key   []byte
	value []byte // of a record, unless it is long and on disk
	ref   ref    // of a child or of a long value, if it is on disk
	size  int    // of a long value on disk
	child *node  // of a child that was changed
}

// node is a page in memory. The content that its items point to is not changed in place.
type node struct {
	leaf  bool
	key   Key // of the page that it was read from
	items []item
}

func (it *item) long() bool { return it.size > 0 }

// encodedSize is exact once long values are on disk, and an upper bound before.
func (it *item) encodedSize(leaf bool) int {
	switch {
	case !leaf:
		return 1 + len(it.key) + refSize
	case it.long(), len(it.value) > maxInline:
		return 1 + len(it.key) + 4 + refSize
	}
	return 1 + len(it.key) + 4 + len(it.value)
}

func (n *node) encodedSize() int {
	size := nodeHeader
	for i := range n.items {
		size += n.items[i].encodedSize(n.leaf)
	}
	return size
}

// split divides the items into parts that fit into a page each.
func (n *node) split() [][]item {
	if len(n.items) == 0 {
		return nil
	}
	if n.encodedSize() <= nodeCapacity {
		return [][]item{n.items}
	}
	var parts [][]item
	from, size := 0, nodeHeader
	for i := range n.items {
		more := n.items[i].encodedSize(n.leaf)
		if i > from && size+more > splitAt {
			parts = append(parts, n.items[from:i:i])
			from, size = i, nodeHeader
		}
		size += more
	}
	return append(parts, n.items[from:])
}

func encodeNode(leaf bool, items []item) []byte {
	b := make([]byte, 0, nodeCapacity)
	kind := byte(kindBranch)
	if leaf {
		kind = kindLeaf
	}
	b = binary.BigEndian.AppendUint16(append(b, kind), uint16(len(items)))
	for i := range items {
		it := &items[i]
		b = append(append(b, byte(len(it.key))), it.key...)
		switch {
		case !leaf:
			b = it.ref.append(b)
		case it.long():
			b = it.ref.append(binary.BigEndian.AppendUint32(b, uint32(it.size)|longBit))
		default:
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(it.value))), it.value...)
		}
	}
	return b
}

// decodeNode reverses encodeNode; the items point into b. The page was authenticated, so an error means a bug in the
// program that wrote it.
func decodeNode(b []byte) (*node, error) {
	malformed := fmt.Errorf("%w: malformed page", ErrCorrupt)
	if len(b) < nodeHeader || b[0] != kindLeaf && b[0] != kindBranch {
		return nil, malformed
	}
	n := &node{leaf: b[0] == kindLeaf}
	count := int(binary.BigEndian.Uint16(b[1:]))
	b = b[nodeHeader:]
	take := func(size int) (taken []byte) {
		if size > len(b) {
			b = nil
			return nil
		}
		taken, b = b[:size:size], b[size:]
		return taken
	}
	n.items = make([]item, 0, count)
	for range count {
		var it item
		if length := take(1); length == nil {
			return nil, malformed
		} else if it.key = take(int(length[0])); it.key == nil {
			return nil, malformed
		}
		var length []byte
		if n.leaf {
			if length = take(4); length == nil {
				return nil, malformed
			}
		}
		if n.leaf && binary.BigEndian.Uint32(length)&longBit == 0 {
			if it.value = take(int(binary.BigEndian.Uint32(length))); it.value == nil {
				return nil, malformed
			}
		} else {
			place := take(refSize)
			if place == nil {
				return nil, malformed
			}
			it.ref = parseRef(place)
			if n.leaf {
				it.size = int(binary.BigEndian.Uint32(length) &^ longBit)
			}
		}
		if it.ref.page == 1 || n.leaf && (it.size > MaxValueSize || it.long() != (it.ref.page != 0)) {
			return nil, malformed
		}
		n.items = append(n.items, it)
	}
	return n, nil
}

// search returns the index of the first item at or above key, and whether that item has the key.
func (n *node) search(key []byte) (int, bool) {
	return slices.BinarySearchFunc(n.items, key, func(it item, key []byte) int { return bytes.Compare(it.key, key) })
}

// childFor returns the index of the child whose range contains key.
func (n *node) childFor(key []byte) int {
	above := sort.Search(len(n.items), func(i int) bool { return bytes.Compare(n.items[i].key, key) > 0 })
	return max(above-1, 0)
}

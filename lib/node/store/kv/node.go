package kv

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sort"
)

// A node of the tree is in one or more pages that follow each other:
//
//	magic (4), CRC-32C (4) of what follows, page (4), length (4) in bytes, transaction (8), level (4), items (4)
//	for each item the offset (4) of its end
//	for each item: length of key (2), key, value
//
// Items are in key order. Nodes of level 0 are leaves. The value of an item of another node is the ref of a child, and
// its key is a lower bound of the child's keys; that of the first child is ignored. Page and transaction are where and
// when the node was written: Salvage uses them.
const (
	pageSize   = 4096
	nodeMagic  = "SNkv"
	nodeHeader = 4 + 4 + 4 + 4 + 8 + 4 + 4
	itemHeader = 4 + 2 // in the list of offsets, and in front of the key

	// targetSize is the size up to which nodes are filled. A node with one large item is larger. Changed nodes below
	// smallSize join a neighbour.
	targetSize = 2 * pageSize
	smallSize  = targetSize / 4

	// maxNodeSize is far above the largest node that a node's messages make.
	maxNodeSize = 64 << 20
	// maxKeySize bounds keys. Three of them and their refs fit into a node.
	maxKeySize = 1000
	// maxLevels is far more than a tree that fits on a disk has.
	maxLevels = 24
)

// ref is where a node is: its first page, its length in bytes, and the CRC of its content. The zero ref is none.
type ref struct{ page, length, sum uint32 }

const refSize = 12

func (r ref) pages() uint32 { return (r.length + pageSize - 1) / pageSize }

func (r ref) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, r.page)
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, r.length), r.sum)
}

// parseRef returns false if no node has such a ref.
func parseRef(b []byte) (r ref, ok bool) {
	if len(b) != refSize {
		return ref{}, false
	}
	r = ref{binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])}
	return r, r.page >= firstPage && r.length >= nodeHeader && r.length <= maxNodeSize
}

// item is a record of a leaf, or a child of another node.
type item struct{ key, value []byte }

func (it item) size() int { return itemHeader + len(it.key) + len(it.value) }

// node is the checked content of a node.
type node struct {
	raw   []byte
	level uint32
	count int
}

// encodeNode returns the node and its CRC.
func encodeNode(page uint32, transaction uint64, level uint32, items []item, size int) (raw []byte, sum uint32) {
	raw = make([]byte, nodeHeader+4*len(items), nodeHeader+size)
	copy(raw, nodeMagic)
	for i, it := range items {
		raw = append(binary.BigEndian.AppendUint16(raw, uint16(len(it.key))), it.key...)
		raw = append(raw, it.value...)
		binary.BigEndian.PutUint32(raw[nodeHeader+4*i:], uint32(len(raw)))
	}
	binary.BigEndian.PutUint32(raw[8:], page)
	binary.BigEndian.PutUint32(raw[12:], uint32(len(raw)))
	binary.BigEndian.PutUint64(raw[16:], transaction)
	binary.BigEndian.PutUint32(raw[24:], level)
	binary.BigEndian.PutUint32(raw[28:], uint32(len(items)))
	sum = checksum(raw[8:])
	binary.BigEndian.PutUint32(raw[4:], sum)
	return raw, sum
}

// decodeNode checks a node and everything in it, so that its methods cannot fail.
func decodeNode(raw []byte) (*node, error) {
	if len(raw) < nodeHeader || string(raw[:4]) != nodeMagic ||
		binary.BigEndian.Uint32(raw[4:]) != checksum(raw[8:]) ||
		int64(binary.BigEndian.Uint32(raw[12:])) != int64(len(raw)) {
		return nil, fmt.Errorf("%w: a page has changed", ErrDamaged)
	}
	n := &node{raw: raw, level: binary.BigEndian.Uint32(raw[24:]), count: int(binary.BigEndian.Uint32(raw[28:]))}
	malformed := fmt.Errorf("%w: a page is malformed", ErrDamaged)
	if n.level >= maxLevels || n.count < 1 || n.count > (len(raw)-nodeHeader)/itemHeader {
		return nil, malformed
	}
	start := nodeHeader + 4*n.count
	for i := range n.count {
		end := int64(n.offset(i))
		if end < int64(start)+2 || end > int64(len(raw)) ||
			int(binary.BigEndian.Uint16(raw[start:])) > int(end)-start-2 {
			return nil, malformed
		}
		start = int(end)
		if i > 0 && bytes.Compare(n.key(i-1), n.key(i)) >= 0 {
			return nil, malformed
		}
		if n.level > 0 {
			if _, ok := parseRef(n.item(i).value); !ok {
				return nil, malformed
			}
		}
	}
	if start != len(raw) {
		return nil, malformed
	}
	return n, nil
}

func (n *node) offset(i int) uint32 { return binary.BigEndian.Uint32(n.raw[nodeHeader+4*i:]) }

func (n *node) page() uint32 { return binary.BigEndian.Uint32(n.raw[8:]) }

func (n *node) transaction() uint64 { return binary.BigEndian.Uint64(n.raw[16:]) }

// item returns an item. It points into the node, which is never changed.
func (n *node) item(i int) item {
	start, end := nodeHeader+4*n.count, int(n.offset(i))
	if i > 0 {
		start = int(n.offset(i - 1))
	}
	keyEnd := start + 2 + int(binary.BigEndian.Uint16(n.raw[start:]))
	return item{n.raw[start+2 : keyEnd : keyEnd], n.raw[keyEnd:end:end]}
}

func (n *node) key(i int) []byte { return n.item(i).key }

// child returns the ref of a child.
func (n *node) child(i int) ref {
	r, _ := parseRef(n.item(i).value) // checked by decodeNode
	return r
}

// search returns the index of the first item at or above key.
func (n *node) search(key []byte) int {
	return sort.Search(n.count, func(i int) bool { return bytes.Compare(n.key(i), key) >= 0 })
}

// childFor returns the index of the child whose range has key.
func (n *node) childFor(key []byte) int {
	above := sort.Search(n.count, func(i int) bool { return bytes.Compare(n.key(i), key) > 0 })
	return max(above-1, 0)
}

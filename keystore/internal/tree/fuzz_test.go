package tree

import (
	"bytes"
	"errors"
	"testing"
)

func FuzzDecodeNode(f *testing.F) {
	f.Add(encodeNode(true,
		[]item{{key: []byte("k"), value: []byte("v")}, {key: []byte("l"), ref: ref{page: 7}, size: 5000}}))
	f.Add(encodeNode(false, []item{{key: []byte("k"), ref: ref{page: 7}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := decodeNode(b)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Error(err)
			}
			return
		}
		if got := encodeNode(n.leaf, n.items); !bytes.HasPrefix(b, got) {
			t.Errorf("%x became %x", b, got)
		}
	})
}

func FuzzParseSlot(f *testing.F) {
	f.Add(encodeSlot(&testKey, Head{Part: []byte("part")}, 3, []uint32{2, 3}, [digestSize]byte{},
		make([]byte, stateHeader)))
	f.Fuzz(func(t *testing.T, b []byte) {
		page := make([]byte, PageSize)
		copy(page, b)
		_, err := parseSlot(0, page)
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) {
			t.Error(err)
		}
	})
}

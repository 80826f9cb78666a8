package keystore

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/crypto/chacha20poly1305"
)

// Loot is what an attacker learns from a file and the keystore's data key: every sealed value that opens, in any page,
// free ones included. Keys of pages are found by their form, a page number and 32 bytes, in what has opened before; each
// is tried on its page with the lengths that occur, and on all pages. For a test that tries everything see openAnything.
func Loot(store *Store, file []byte) (loot []byte) {
	const (
		page   = 4096
		maxRun = 32 // pages of the longest value that the test's keystores have
	)
	pages := len(file) / page
	type candidate struct {
		page int
		key  [chacha20poly1305.KeySize]byte
	}
	tried, room := make(map[candidate]bool), make([]byte, 0, maxRun*page)
	var queue []candidate
	add := func(content []byte) {
		loot = append(loot, content...)
		for at := 0; at+36 <= len(content); at++ {
			c := candidate{page: int(binary.BigEndian.Uint32(content[at:])), key: [32]byte(content[at+4 : at+36])}
			if c.page > 0 && c.page < pages && !tried[c] && c.key != ([32]byte{}) {
				tried[c] = true
				queue = append(queue, c)
			}
		}
	}
	add(openStates(store, file))
	for len(queue) > 0 {
		c := queue[0]
		queue = queue[1:]
		aead, err := chacha20poly1305.New(c.key[:])
		if err != nil {
			panic(err)
		}
		try := func(start, size int) bool {
			if start+size > len(file) {
				return false
			}
			content, err := aead.Open(room, make([]byte, chacha20poly1305.NonceSize), file[start:start+size], nil)
			if err == nil {
				add(content)
			}
			return err == nil
		}
		for size := page; size <= maxRun*page && !try(c.page*page, size); size += page {
			continue
		}
		for at := range pages {
			if at != c.page {
				try(at*page, page)
			}
		}
	}
	return loot
}

// openStates opens the states of a file: everything in front of a state's nonce is authenticated, and its length is
// unknown.
func openStates(store *Store, file []byte) (content []byte) {
	const page = 4096
	for _, key := range []secret{store.keys.data, store.keys.index, secret(store.keys.tree), store.keys.backup} {
		aead := key.aead()
		for start := 0; start+page <= len(file); start += page {
			slot := file[start : start+page]
			if bytes.Count(slot, []byte{0}) == page {
				continue
			}
			for at := 40; at+nonceSize+64 < 3400; at++ {
				size := int(slot[at-2])<<8 | int(slot[at-1])
				if size < nonceSize || at+size > page {
					continue
				}
				if opened, err := aead.Open(nil, slot[at:at+nonceSize], slot[at+nonceSize:at+size], slot[:at]); err == nil {
					content = append(content, opened...)
				}
			}
		}
	}
	return content
}

package kv

import "fmt"

// space is the set of used pages of a tree.
type space struct {
	bits  []uint64
	pages uint32 // number of pages up to the last used one
	used  uint32
	hint  uint32 // where the search for a free page begins
}

func (s *space) isUsed(page uint32) bool {
	return int(page/64) < len(s.bits) && s.bits[page/64]&(1<<(page%64)) != 0
}

// take marks pages as used, and returns ErrDamaged if one is used already.
func (s *space) take(page, n uint32) error {
	for ; n > 0; page, n = page+1, n-1 {
		if s.isUsed(page) {
			return fmt.Errorf("%w: page %d is used twice", ErrDamaged, page)
		}
		for int(page/64) >= len(s.bits) {
			s.bits = append(s.bits, 0)
		}
		s.bits[page/64] |= 1 << (page % 64)
		s.used++
		s.pages = max(s.pages, page+1)
	}
	return nil
}

// free marks used pages as free.
func (s *space) free(page, n uint32) {
	for ; n > 0; page, n = page+1, n-1 {
		s.bits[page/64] &^= 1 << (page % 64)
		s.used--
	}
}

// allocate takes the first n free pages in a row from the hint on, and returns the first one.
func (s *space) allocate(n uint32) uint32 {
	start, length, page := s.hint, uint32(0), s.hint
	for ; length < n && page < s.pages; page++ {
		switch {
		case page%64 == 0 && s.bits[page/64] == ^uint64(0):
			page += 63
			start, length = page+1, 0
		case s.isUsed(page):
			start, length = page+1, 0
		default:
			length++
		}
	}
	start = min(start, s.pages) // all pages behind the last used one are free
	if err := s.take(start, n); err != nil {
		panic("kv: " + err.Error()) // a bug: the pages were found to be free
	}
	s.hint = start + n
	return start
}

// trim lowers the number of pages to the last used one, and starts the search for free pages at the first page.
func (s *space) trim() {
	for s.pages > firstPage && !s.isUsed(s.pages-1) {
		s.pages--
	}
	s.bits = s.bits[:min(len(s.bits), int(s.pages+63)/64)]
	s.hint = firstPage
}

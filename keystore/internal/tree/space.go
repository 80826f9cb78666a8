package tree

import "math/bits"

// space is the map of used pages: bit i%8 of byte i/8 is page i.
type space struct {
	bits  []byte
	pages uint32 // number of pages up to the last used one
	from  uint32 // no page below is free
}

func (s *space) used(page uint32) bool {
	return int(page/8) < len(s.bits) && s.bits[page/8]&(1<<(page%8)) != 0
}

func (s *space) set(page, n uint32, used bool) {
	for ; n > 0; n-- {
		for int(page/8) >= len(s.bits) {
			s.bits = append(s.bits, 0)
		}
		if used {
			s.bits[page/8] |= 1 << (page % 8)
		} else {
			s.bits[page/8] &^= 1 << (page % 8)
		}
		page++
	}
}

// allocate marks the lowest free run of n pages as used and returns its first page.
func (s *space) allocate(n uint32) uint32 {
	start, length, page := s.from, uint32(0), s.from
	for ; length < n && page < s.pages; page++ {
		switch {
		case page%8 == 0 && s.bits[page/8] == 0xff:
			start, length, page = page+8, 0, page+7
		case s.used(page):
			start, length = page+1, 0
		default:
			length++
		}
	}
	start = min(start, s.pages) // all pages behind the last used one are free
	s.set(start, n, true)
	s.pages = max(s.pages, start+n)
	if n == 1 {
		s.from = start + 1
	}
	return start
}

// free marks n pages as free.
func (s *space) free(page, n uint32) {
	s.set(page, n, false)
	s.from = min(s.from, page)
}

// trim drops free pages at the end.
func (s *space) trim() {
	for len(s.bits) > 0 && s.bits[len(s.bits)-1] == 0 {
		s.bits = s.bits[:len(s.bits)-1]
	}
	s.pages = firstPage
	if n := len(s.bits); n > 0 {
		s.pages = max(s.pages, uint32(n*8-bits.LeadingZeros8(s.bits[n-1])))
	}
}

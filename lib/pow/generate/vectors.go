package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// word is a 64-bit word of every lane: one vector register for each stream.
type word []reg.VecVirtual

// stored is a word in memory: one vector for each stream.
type stored []operand.Mem

// vectors has the vector operations of an instruction set that SHA-512 needs. Operations without a destination return a
// new word.
type vectors interface {
	each(func(s int)) // calls with each stream
	width() int       // bytes of a vector

	load(from stored) word
	store(w word, to stored)
	broadcast(n number) word          // number in every lane
	add(w, to word)                   // to += w
	addStored(w stored, to word)      // to += w
	addBroadcast(n number, to word)   // to += number
	sigma(x word, moves [3]move) word // exclusive or of three moves of x
	ch(x, y, z word) word
	maj(x, y, z word) word
	beforeMaj(y, z word) // prepares the first call of maj, with the same y and z

	// below returns a general register in which bit i is set if lane i is below limit. Lanes count through all streams.
	below(w word, limit number) reg.GPVirtual
}

// number is a 64-bit number in memory, the same for all lanes.
type number = operand.Mem

// move is ROTR^n or SHR^n of FIPS 180-4, section 3.2.
type move struct {
	bits  uint64
	shift bool // SHR instead of ROTR
}

func rotr(bits uint64) move { return move{bits: bits} }
func shr(bits uint64) move  { return move{bits: bits, shift: true} }

// streams are the streams that a kernel interleaves. All instruction sets embed it.
type streams struct {
	*build.Context
	count int
}

func (v streams) each(emit func(s int)) {
	for s := range v.count {
		emit(s)
	}
}

package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// avx512 is AVX-512F. It has a rotation, and one instruction for any bitwise function of three words.
type avx512 struct{ streams }

// Functions of three bits for VPTERNLOGQ: bit 4x+2y+z of the number is the result for x, y and z.
const (
	ternaryCh     = operand.U8(0xca) // x ? y : z
	ternaryMaj    = operand.U8(0xe8)
	ternaryParity = operand.U8(0x96) // x ^ y ^ z
)

const lessThan = operand.U8(1) // predicate of VPCMPUQ

func (v *avx512) width() int { return 64 }

func (v *avx512) word() word {
	w := make(word, v.count)
	v.each(func(s int) { w[s] = v.ZMM() })
	return w
}

func (v *avx512) load(from stored) word {
	w := v.word()
	v.each(func(s int) { v.VMOVDQU64(from[s], w[s]) })
	return w
}

func (v *avx512) store(w word, to stored) {
	v.each(func(s int) { v.VMOVDQU64(w[s], to[s]) })
}

func (v *avx512) broadcast(n number) word {
	w := v.word()
	v.each(func(s int) { v.VPBROADCASTQ(n, w[s]) })
	return w
}

func (v *avx512) add(w, to word) {
	v.each(func(s int) { v.VPADDQ(w[s], to[s], to[s]) })
}

func (v *avx512) addStored(w stored, to word) {
	v.each(func(s int) { v.VPADDQ(w[s], to[s], to[s]) })
}

func (v *avx512) addBroadcast(n number, to word) {
	v.each(func(s int) { v.VPADDQ_BCST(n, to[s], to[s]) })
}

func (v *avx512) sigma(x word, moves [3]move) word {
	a, b, c := v.moved(x, moves[0]), v.moved(x, moves[1]), v.moved(x, moves[2])
	v.each(func(s int) { v.VPTERNLOGQ(ternaryParity, c[s], b[s], a[s]) })
	return a
}

func (v *avx512) moved(x word, by move) word {
	w := v.word()
	v.each(func(s int) {
		if by.shift {
			v.VPSRLQ(operand.Imm(by.bits), x[s], w[s])
		} else {
			v.VPRORQ(operand.Imm(by.bits), x[s], w[s])
		}
	})
	return w
}

func (v *avx512) ch(x, y, z word) word  { return v.ternary(ternaryCh, x, y, z) }
func (v *avx512) maj(x, y, z word) word { return v.ternary(ternaryMaj, x, y, z) }
func (v *avx512) beforeMaj(_, _ word)   {}

func (v *avx512) ternary(function operand.U8, x, y, z word) word {
	w := v.word()
	v.each(func(s int) { v.VMOVDQA64(x[s], w[s]) })
	v.each(func(s int) { v.VPTERNLOGQ(function, z[s], y[s], w[s]) })
	return w
}

func (v *avx512) below(w word, limit number) reg.GPVirtual {
	bound := v.broadcast(limit)
	all := v.GP32()
	v.XORL(all, all)
	v.each(func(s int) {
		mask, bits := v.K(), v.GP32()
		v.VPCMPUQ(lessThan, bound[s], w[s], mask)
		v.KMOVW(mask, bits)
		if s > 0 {
			v.SHLL(operand.Imm(uint64(8*s)), bits)
		}
		v.ORL(bits, all)
	})
	return all
}

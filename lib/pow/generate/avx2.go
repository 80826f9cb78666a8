package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// avx2 is AVX2. It has no rotation and only operations of two words, so that each function of SHA-512 takes several.
type avx2 struct {
	streams
	signs, rotate8 operand.Mem // 2^63, and the bytes of words rotated by one byte, in every lane

	// For maj: y ^ z is x ^ y of the previous round.
	yz, spare word
}

func newAVX2(s streams) *avx2 {
	return &avx2{
		streams: s,
		signs:   table(s.Context, "signs", 1<<63, 1<<63, 1<<63, 1<<63),
		rotate8: table(s.Context, "rotate8", 0x0007060504030201, 0x080f0e0d0c0b0a09, 0x0007060504030201,
			0x080f0e0d0c0b0a09),
	}
}

func (v *avx2) width() int { return 32 }

func (v *avx2) word() word {
	w := make(word, v.count)
	v.each(func(s int) { w[s] = v.YMM() })
	return w
}

func (v *avx2) load(from stored) word {
	w := v.word()
	v.each(func(s int) { v.VMOVDQU(from[s], w[s]) })
	return w
}

func (v *avx2) store(w word, to stored) {
	v.each(func(s int) { v.VMOVDQU(w[s], to[s]) })
}

func (v *avx2) broadcast(n number) word {
	w := v.word()
	v.each(func(s int) { v.VPBROADCASTQ(n, w[s]) })
	return w
}

func (v *avx2) add(w, to word) {
	v.each(func(s int) { v.VPADDQ(w[s], to[s], to[s]) })
}

func (v *avx2) addStored(w stored, to word) {
	v.each(func(s int) { v.VPADDQ(w[s], to[s], to[s]) })
}

func (v *avx2) addBroadcast(n number, to word) {
	v.add(v.broadcast(n), to)
}

func (v *avx2) sigma(x word, moves [3]move) word {
	var sum word
	xor := func(w word) {
		if sum == nil {
			sum = w
			return
		}
		v.each(func(s int) { v.VPXOR(w[s], sum[s], sum[s]) })
	}
	for _, by := range moves {
		switch {
		case by.shift:
			xor(v.right(x, by.bits))
		case by.bits == 8:
			xor(v.rotated8(x))
		default:
			xor(v.right(x, by.bits))
			xor(v.left(x, 64-by.bits))
		}
	}
	return sum
}

func (v *avx2) right(x word, bits uint64) word {
	w := v.word()
	v.each(func(s int) { v.VPSRLQ(operand.Imm(bits), x[s], w[s]) })
	return w
}

func (v *avx2) left(x word, bits uint64) word {
	w := v.word()
	v.each(func(s int) { v.VPSLLQ(operand.Imm(bits), x[s], w[s]) })
	return w
}

func (v *avx2) rotated8(x word) word {
	w := v.word()
	v.each(func(s int) { v.VPSHUFB(v.rotate8, x[s], w[s]) })
	return w
}

// ch is x ? y : z, computed as ((y ^ z) & x) ^ z.
func (v *avx2) ch(x, y, z word) word {
	w := v.word()
	v.each(func(s int) { v.VPXOR(y[s], z[s], w[s]) })
	v.each(func(s int) { v.VPAND(x[s], w[s], w[s]) })
	v.each(func(s int) { v.VPXOR(z[s], w[s], w[s]) })
	return w
}

// maj is the majority of x, y and z, computed as ((x ^ y) & (y ^ z)) ^ y.
func (v *avx2) maj(x, y, z word) word {
	xy, w := v.spare, v.yz
	v.each(func(s int) { v.VPXOR(x[s], y[s], xy[s]) })
	v.each(func(s int) { v.VPAND(xy[s], w[s], w[s]) })
	v.each(func(s int) { v.VPXOR(y[s], w[s], w[s]) })
	v.yz, v.spare = xy, w
	return w
}

func (v *avx2) beforeMaj(y, z word) {
	if v.yz == nil {
		v.yz, v.spare = v.word(), v.word()
	}
	v.each(func(s int) { v.VPXOR(y[s], z[s], v.yz[s]) })
}

// below adds 2^63 to both sides and compares them as signed numbers, because AVX2 has no unsigned comparison.
func (v *avx2) below(w word, limit number) reg.GPVirtual {
	bound := v.broadcast(limit)
	all := v.GP32()
	v.XORL(all, all)
	v.each(func(s int) {
		bits := v.GP32()
		v.VPXOR(v.signs, w[s], w[s])
		v.VPXOR(v.signs, bound[s], bound[s])
		v.VPCMPGTQ(w[s], bound[s], w[s])
		v.VMOVMSKPD(w[s], bits)
		if s > 0 {
			v.SHLL(operand.Imm(uint64(4*s)), bits)
		}
		v.ORL(bits, all)
	})
	return all
}

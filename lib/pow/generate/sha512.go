package main

import "github.com/mmcloughlin/avo/operand"

// The functions of FIPS 180-4, section 4.1.3. The instruction sets have Ch and Maj.

func (k *kernel) bigSigma0(x word) word   { return k.sigma(x, [3]move{rotr(28), rotr(34), rotr(39)}) }
func (k *kernel) bigSigma1(x word) word   { return k.sigma(x, [3]move{rotr(14), rotr(18), rotr(41)}) }
func (k *kernel) smallSigma0(x word) word { return k.sigma(x, [3]move{rotr(1), rotr(8), shr(7)}) }
func (k *kernel) smallSigma1(x word) word { return k.sigma(x, [3]move{rotr(19), rotr(61), shr(6)}) }

// variables are the working variables a to h.
type variables [8]word

const (
	rounds = 80
	ring   = 16 // words of the message schedule that are kept

	// The rounds before looped are emitted one by one, each with its fixed part computed in advance. The other rounds
	// have no fixed part. They are a loop over ring rounds, which fits into a CPU's cache of decoded instructions.
	looped = 32
)

// fixed reports whether word t of the message schedule does not depend on the nonce, which is word 0.
func fixed(t int) bool {
	switch {
	case t == 0 || t >= looped:
		return false
	case t < ring:
		return true
	}
	return fixed(t-2) && fixed(t-7) && fixed(t-15) && fixed(t-16)
}

// folded reports whether the fixed part of word t includes word i, which word t depends on. The loop has no fixed
// parts.
func folded(i, t int) bool { return t < looped && fixed(i) }

// hasFixedPart reports whether the fixed part of word t includes a word that is not always 0. Words 10 to 14 are always
// 0.
func hasFixedPart(t int) bool {
	for _, i := range []int{t - 2, t - 7, t - 15, t - 16} {
		if folded(i, t) && (i < 10 || i > 14) {
			return true
		}
	}
	return false
}

// round0 computes the variables after round 0, in which the nonce is only added to a and e. It also computes word 16 of
// the schedule, which depends on word 0.
func (k *kernel) round0(nonce word) variables {
	var v variables
	for i := range 7 { // h is in the constant of round 1
		v[i] = k.broadcast(k.variables.Offset(8 * i))
	}
	k.add(nonce, v[0])
	k.add(nonce, v[4])
	k.addBroadcast(k.fixedPart(16), nonce)
	k.store(nonce, k.scheduled(16))
	return v
}

// round is one iteration of step 3 of FIPS 180-4, section 6.4.2. It computes T1 in the register of h.
func (k *kernel) round(t int, v variables) variables {
	a, b, c, d, e, f, g, h := v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]
	if t < 4 { // h is fixed and in the constant
		h = k.broadcast(k.constant(t))
	} else {
		k.addBroadcast(k.constant(t), h)
	}
	switch {
	case fixed(t): // in the constant
		k.keepFixed(t)
	case t == 16:
		k.addStored(k.scheduled(t), h)
	default:
		k.add(k.schedule(t), h)
	}
	k.add(k.ch(e, f, g), h)
	k.add(k.bigSigma1(e), h)
	k.add(h, d)
	k.add(k.maj(a, b, c), h)
	k.add(k.bigSigma0(a), h)
	return variables{h, a, b, c, d, e, f, g}
}

// schedule computes word t of the message schedule (FIPS 180-4, section 6.4.2, step 1) and stores it in the ring.
func (k *kernel) schedule(t int) word {
	var sum word
	if hasFixedPart(t) {
		sum = k.broadcast(k.fixedPart(t))
	}
	for _, i := range []int{t - 16, t - 7} {
		switch {
		case folded(i, t):
		case sum == nil:
			sum = k.load(k.scheduled(i))
		default:
			k.addStored(k.scheduled(i), sum)
		}
	}
	if !folded(t-15, t) {
		k.add(k.smallSigma0(k.load(k.scheduled(t-15))), sum)
	}
	if !folded(t-2, t) {
		k.add(k.smallSigma1(k.load(k.scheduled(t-2))), sum)
	}
	k.store(sum, k.scheduled(t))
	return sum
}

// keepFixed stores a fixed word in the ring if the loop reads it.
func (k *kernel) keepFixed(t int) {
	if t >= looped-ring {
		k.store(k.broadcast(k.fixedPart(t)), k.scheduled(t))
	}
}

// constant is the fixed part of T1 in round t: see job.rounds.
func (k *kernel) constant(t int) operand.Mem { return k.rounds.Offset(8 * t) }

// fixedPart is the fixed part of word t: see job.words.
func (k *kernel) fixedPart(t int) operand.Mem { return k.words.Offset(8 * t) }

package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// kernel emits one search.
type kernel struct {
	*build.Context
	vectors
	name  string
	lanes operand.Mem // the numbers 0, 1, 2, ...

	variables, rounds, words operand.Mem // the job
	memory                   operand.Mem // aligned; the ring of the message schedule, then the next nonces
}

const signature = "func(variables *[8]uint64, rounds *[80]uint64, words *[32]uint64, " +
	"start, target, count uint64) (offset uint64)"

// search emits a function that tries nonces in batches, one nonce for each lane. Type job of package pow describes its
// parameters.
func (k *kernel) search() {
	k.Function(k.name)
	k.Pragma("noescape")
	k.SignatureExpr(signature)
	k.Doc(k.name+" tries count nonces from start, rounded up to whole batches. It returns how far from start the first",
		"is whose hash is below target: count or more if there is none within count.")

	k.variables, k.rounds, k.words = k.pointer("variables"), k.pointer("rounds"), k.pointer("words")
	firstRound := k.rounds.Base
	k.memory = k.aligned((ring + 1) * k.batchSize())
	k.store(k.firstNonces(), k.nonces())
	count := k.Load(k.Param("count"), k.GP64())
	offset := k.GP64()
	k.XORQ(offset, offset)

	k.Label("batch")
	k.rounds = k.counting(firstRound)
	digest := k.hash()
	hits := k.below(digest, k.parameter("target"))
	k.TESTL(hits, hits)
	k.JNZ(operand.LabelRef("found"))
	k.ADDQ(operand.Imm(uint64(k.batch())), offset)
	k.CMPQ(offset, count)
	k.JB(operand.LabelRef("batch"))
	k.JMP(operand.LabelRef("done"))

	k.Label("found")
	lane := k.GP32()
	k.BSFL(hits, lane)
	k.ADDQ(lane.As64(), offset)

	k.Label("done")
	k.Store(offset, k.Return("offset"))
	k.VZEROUPPER()
	k.RET()
}

// hash returns the first word of the hashes of the next nonces.
func (k *kernel) hash() word {
	nonces := k.load(k.nonces())
	next := k.broadcast(k.lanes.Offset(8 * k.batch()))
	k.add(nonces, next)
	k.store(next, k.nonces())

	v := k.round0(nonces)
	k.beforeMaj(v[1], v[2])
	for t := 1; t < looped; t++ {
		v = k.round(t, v)
	}
	end := k.GP64()
	k.LEAQ(k.constant(rounds-looped), end)
	k.Label("rounds")
	k.Comment("Rounds 32 to 47, 48 to 63, 64 to 79.")
	for t := looped; t < looped+ring; t++ {
		v = k.round(t, v)
	}
	k.ADDQ(operand.Imm(8*ring), k.rounds.Base)
	k.CMPQ(k.rounds.Base, end)
	k.JB(operand.LabelRef("rounds"))
	return v[0]
}

// batch returns the number of nonces in a batch.
func (k *kernel) batch() int { return k.batchSize() / 8 }

// batchSize returns the number of bytes of a word of every lane.
func (k *kernel) batchSize() (size int) {
	k.each(func(int) { size += k.width() })
	return size
}

// scheduled is the memory of word t of the message schedule.
func (k *kernel) scheduled(t int) stored { return k.at(t % ring * k.batchSize()) }

// nonces is the memory of the nonces of the next batch.
func (k *kernel) nonces() stored { return k.at(ring * k.batchSize()) }

func (k *kernel) at(place int) (w stored) {
	k.each(func(s int) { w = append(w, k.memory.Offset(place+s*k.width())) })
	return w
}

// firstNonces returns start for the first lane, start + 1 for the second, and so on.
func (k *kernel) firstNonces() word {
	w := k.broadcast(k.parameter("start"))
	var lanes stored
	k.each(func(s int) { lanes = append(lanes, k.lanes.Offset(s*k.width())) })
	k.addStored(lanes, w)
	return w
}

// aligned reserves stack memory in which no vector crosses a cache line.
func (k *kernel) aligned(size int) operand.Mem {
	local, base := k.AllocLocal(size+k.width()-8), k.GP64()
	k.LEAQ(local.Offset(k.width()-8), base)
	k.ANDQ(operand.I32(-k.width()), base)
	return operand.Mem{Base: base}
}

// counting returns memory at a copy of base, which may be incremented.
func (k *kernel) counting(base reg.Register) operand.Mem {
	copied := k.GP64()
	k.MOVQ(base, copied)
	return operand.Mem{Base: copied}
}

func (k *kernel) pointer(name string) operand.Mem {
	return operand.Mem{Base: k.Load(k.Param(name), k.GP64())}
}

func (k *kernel) parameter(name string) number {
	basic, err := k.Param(name).Resolve()
	if err != nil {
		panic(err) // the name is not in signature
	}
	return basic.Addr
}

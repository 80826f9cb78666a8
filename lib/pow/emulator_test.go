package pow

import (
	"fmt"
	"maps"
	"math"
	"math/bits"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

// emulated returns the kernels of search_amd64.s in an emulator, so that tests run them on every CPU. Registers and
// stack start with random values, so that a read without an earlier write gives wrong results.
func emulated(t testing.TB) []*Kernel {
	t.Helper()
	text, err := os.ReadFile("search_amd64.s")
	if err != nil {
		t.Fatal(err)
	}
	var kernels []*Kernel
	programs := assemble(t, string(text))
	for _, name := range slices.Sorted(maps.Keys(programs)) {
		kernels = append(kernels, &Kernel{name: "emulated " + name, search: programs[name].search})
	}
	if len(kernels) != 2 {
		t.Fatalf("search_amd64.s has %d kernels", len(kernels))
	}
	return kernels
}

// TestOperations counts the vector operations of one hash. docs/performance.md derives the speed limit from them.
func TestOperations(t *testing.T) {
	text, err := os.ReadFile("search_amd64.s")
	if err != nil {
		t.Fatal(err)
	}
	const count = 64
	programs := assemble(t, string(text))
	for name, most := range map[string]int{"searchAVX512": 240, "searchAVX2": 947} {
		m := programs[name].run(newJob([64]byte{}), 0, 0, count)
		if got := (m.operations + count - 1) / count; got != most {
			t.Errorf("%s: %d vector operations for one hash, expected %d", name, got, most)
		}
	}
}

// The addresses of the emulated memory, in bytes. All memory is accessed in words of 8 bytes.
const (
	variablesAt = 0x000
	roundsAt    = 0x100
	wordsAt     = 0x400
	argumentsAt = 0x600
	dataAt      = 0x700
	stackAt     = 0x1008 // aligned like Go's stack: to 8 bytes
	memoryEnd   = 0x2000
)

// machine is the state of a running program.
type machine struct {
	*program
	memory      []uint64
	general     map[string]uint64
	vector      [32][8]uint64
	mask        [8]uint64
	below, zero bool // flags
	at          int
	operations  int // vector instructions so far that do not just move or repeat words
}

func (p *program) search(j *job, start, target, count uint64) (offset uint64) {
	return p.run(j, start, target, count).memory[argumentsAt/8+6]
}

func (p *program) run(j *job, start, target, count uint64) *machine {
	m := &machine{program: p, memory: slices.Clone(p.memory)}
	for i := stackAt / 8; i < len(m.memory); i++ {
		m.memory[i] = rand.Uint64()
	}
	for i := range m.vector {
		for lane := range m.vector[i] {
			m.vector[i][lane] = rand.Uint64()
		}
	}
	copy(m.memory[variablesAt/8:], j.variables[:])
	copy(m.memory[roundsAt/8:], j.rounds[:])
	copy(m.memory[wordsAt/8:], j.words[:])
	copy(m.memory[argumentsAt/8:], []uint64{variablesAt, roundsAt, wordsAt, start, target, count})
	m.general = map[string]uint64{"FP": argumentsAt, "SP": stackAt}
	for name, address := range m.data {
		m.general[name+"SB"] = address
	}
	for ; m.code[m.at].name != "RET"; m.at++ {
		m.step(m.code[m.at])
	}
	return m
}

func (m *machine) address(o operand) uint64 {
	base, ok := m.general[o.name]
	if !ok {
		panic("no register or symbol " + o.name)
	}
	return base + o.value
}

// get returns a number, a general register, a mask or a word of memory.
func (m *machine) get(o operand) uint64 {
	switch o.kind {
	case '$':
		return o.value
	case 'r':
		return m.general[o.name]
	case 'k':
		return m.mask[o.value]
	case 'm':
		return m.memory[m.address(o)/8]
	}
	panic(fmt.Sprintf("no single value: %+v", o))
}

func (m *machine) set(o operand, value uint64) {
	switch o.kind {
	case 'r':
		m.general[o.name] = value
	case 'k':
		m.mask[o.value] = value
	case 'm':
		m.memory[m.address(o)/8] = value
	default:
		panic(fmt.Sprintf("cannot be set: %+v", o))
	}
}

// lanes returns the lanes of a vector register, or of the memory at o.
func (m *machine) lanes(o operand) (v [8]uint64) {
	if o.kind == 'v' {
		return m.vector[o.value]
	}
	copy(v[:], m.memory[m.address(o)/8:])
	return v
}

func (m *machine) step(i instruction) {
	if strings.HasPrefix(i.name, "V") {
		m.stepVector(i)
		return
	}
	last := i.operands[len(i.operands)-1]
	first := i.operands[0]
	short := func(v uint64) uint64 { return v & math.MaxUint32 }
	switch i.name {
	case "MOVQ":
		m.set(last, m.get(first))
	case "KMOVW":
		m.set(last, m.get(first)&math.MaxUint16)
	case "LEAQ":
		m.set(last, m.address(first))
	case "ADDQ":
		m.set(last, m.get(last)+m.get(first))
	case "ANDQ":
		m.set(last, m.get(last)&m.get(first))
	case "XORQ":
		m.set(last, m.get(last)^m.get(first))
	case "XORL":
		m.set(last, short(m.get(last)^m.get(first)))
	case "ORL":
		m.set(last, short(m.get(last)|m.get(first)))
	case "SHLL":
		m.set(last, short(m.get(last)<<m.get(first)))
	case "BSFL":
		m.set(last, uint64(bits.TrailingZeros64(m.get(first))))
	case "TESTL":
		m.zero = short(m.get(first)&m.get(last)) == 0
	case "CMPQ":
		m.below, m.zero = m.get(first) < m.get(last), m.get(first) == m.get(last)
	case "JMP":
		m.jump(first, true)
	case "JB":
		m.jump(first, m.below)
	case "JNZ":
		m.jump(first, !m.zero)
	default:
		panic("no instruction " + i.name)
	}
}

func (m *machine) jump(to operand, taken bool) {
	if taken {
		m.at = m.labels[to.name] - 1
	}
}

func (m *machine) stepVector(i instruction) {
	if i.name == "VZEROUPPER" {
		return
	}
	if !strings.HasPrefix(i.name, "VMOVDQ") && i.name != "VPBROADCASTQ" {
		m.operations++
	}
	o := i.operands
	last := o[len(o)-1]
	switch i.name {
	case "VMOVDQU", "VMOVDQU64":
		if last.kind == 'm' {
			copy(m.memory[m.address(last)/8:], m.vector[o[0].value][:o[0].lanes])
			return
		}
		m.vector[last.value] = m.lanes(o[0])
	case "VMOVDQA64": // between registers only: nothing promises that memory is aligned
		m.vector[last.value] = m.vector[o[0].value]
	case "VPBROADCASTQ":
		m.each(last, func(int) uint64 { return m.get(o[0]) })
	case "VPADDQ.BCST":
		m.each(last, func(l int) uint64 { return m.vector[o[1].value][l] + m.get(o[0]) })
	case "VPADDQ":
		m.both(o, func(x, y uint64) uint64 { return x + y })
	case "VPAND":
		m.both(o, func(x, y uint64) uint64 { return x & y })
	case "VPXOR":
		m.both(o, func(x, y uint64) uint64 { return x ^ y })
	case "VPCMPGTQ":
		m.both(o, func(x, y uint64) uint64 {
			if int64(y) > int64(x) {
				return math.MaxUint64
			}
			return 0
		})
	case "VPSLLQ":
		m.each(last, func(l int) uint64 { return m.lanes(o[1])[l] << o[0].value })
	case "VPSRLQ":
		m.each(last, func(l int) uint64 { return m.lanes(o[1])[l] >> o[0].value })
	case "VPRORQ":
		m.each(last, func(l int) uint64 { return bits.RotateLeft64(m.lanes(o[1])[l], -int(o[0].value)) })
	case "VPSHUFB":
		m.shuffle(m.lanes(o[0]), m.lanes(o[1]), last)
	case "VPTERNLOGQ":
		m.each(last,
			func(l int) uint64 { return ternary(o[0].value, m.lanes(o[3])[l], m.lanes(o[2])[l], m.lanes(o[1])[l]) })
	case "VPCMPUQ":
		m.mask[last.value] = 0
		for l := range o[2].lanes {
			if m.lanes(o[2])[l] < m.lanes(o[1])[l] { // predicate 1
				m.mask[last.value] |= o[0].value << l
			}
		}
	case "VMOVMSKPD":
		signs := uint64(0)
		for l := range o[0].lanes {
			signs |= m.lanes(o[0])[l] >> 63 << l
		}
		m.set(last, signs)
	default:
		panic("no instruction " + i.name)
	}
}

// each sets every lane of a register.
func (m *machine) each(to operand, value func(lane int) uint64) {
	var result [8]uint64
	for l := range to.lanes {
		result[l] = value(l)
	}
	m.vector[to.value] = result
}

// both sets every lane of the third operand to a function of the first two.
func (m *machine) both(o []operand, function func(x, y uint64) uint64) {
	x, y := m.lanes(o[0]), m.lanes(o[1])
	m.each(o[2], func(l int) uint64 { return function(x[l], y[l]) })
}

// shuffle picks bytes within each 16.
func (m *machine) shuffle(order, from [8]uint64, to operand) {
	m.each(to, func(l int) (word uint64) {
		for i := range 8 {
			pick := order[l] >> (8 * i) & 15
			word |= from[l&^1+int(pick/8)] >> (8 * (pick % 8)) & 0xff << (8 * i)
		}
		return word
	})
}

// ternary returns bit 4x+2y+z of the function's number, for each bit of x, y and z.
func ternary(function, x, y, z uint64) (result uint64) {
	for i := range uint64(8) {
		if function>>i&1 == 0 {
			continue
		}
		term := uint64(math.MaxUint64)
		for place, word := range []uint64{z, y, x} {
			if i>>place&1 == 0 {
				word = ^word
			}
			term &= word
		}
		result |= term
	}
	return result
}

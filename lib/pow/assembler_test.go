package pow

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// program is one function of an assembly file.
type program struct {
	code   []instruction
	labels map[string]int    // where in code
	data   map[string]uint64 // addresses of symbols
	memory []uint64          // what data points to
}

type instruction struct {
	name     string
	operands []operand
}

// operand is a number, a register, a place in memory or a label.
type operand struct {
	kind  byte   // '$', 'r' general, 'v' vector, 'k' mask, 'm' memory, 'l' label
	value uint64 // number, or number of the register, or displacement
	lanes int    // of a vector register
	name  string // general register, base of memory, symbol or label
}

var (
	dataLine    = regexp.MustCompile(`^DATA (\w+)<>\+(\d+)\(SB\)/8, \$(0x[0-9a-f]+)$`)
	textLine    = regexp.MustCompile(`^TEXT ·(\w+)\(SB\)`)
	labelLine   = regexp.MustCompile(`^(\w+):$`)
	memoryText  = regexp.MustCompile(`^(?:(\w+)<>\+|\w+\+)?(-?\d*)\((\w+)\)$`)
	vectorText  = regexp.MustCompile(`^([YZ])(\d+)$`)
	generalText = regexp.MustCompile(`^([A-D]X|[SD]I|BP|R\d+)$`)
)

// assemble reads the assembly that avo writes.
func assemble(t testing.TB, text string) map[string]*program {
	t.Helper()
	programs := make(map[string]*program)
	data, memory, next := make(map[string]uint64), make([]uint64, memoryEnd/8), uint64(dataAt)
	var p *program
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "//")
		line = strings.TrimSpace(line)
		if m := dataLine.FindStringSubmatch(line); m != nil {
			if m[2] == "0" {
				data[m[1]] = next
			}
			memory[next/8] = parseNumber(t, m[3])
			next += 8
		} else if m := textLine.FindStringSubmatch(line); m != nil {
			p = &program{labels: make(map[string]int), data: data, memory: memory}
			programs[m[1]] = p
		} else if m := labelLine.FindStringSubmatch(line); m != nil {
			p.labels[m[1]] = len(p.code)
		} else if name, operands, _ := strings.Cut(line, " "); p != nil && name != "" {
			p.code = append(p.code, instruction{name, parseOperands(t, operands)})
		}
	}
	return programs
}

func parseNumber(t testing.TB, text string) uint64 {
	t.Helper()
	if text == "" {
		return 0
	}
	if signed, err := strconv.ParseInt(text, 0, 64); err == nil {
		return uint64(signed)
	}
	number, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

func parseOperands(t testing.TB, text string) (operands []operand) {
	t.Helper()
	for field := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ' ' || r == ',' }) {
		if number, ok := strings.CutPrefix(field, "$"); ok {
			operands = append(operands, operand{kind: '$', value: parseNumber(t, number)})
		} else if m := vectorText.FindStringSubmatch(field); m != nil {
			operands = append(operands,
				operand{kind: 'v', value: parseNumber(t, m[2]), lanes: map[string]int{"Y": 4, "Z": 8}[m[1]]})
		} else if m := memoryText.FindStringSubmatch(field); m != nil {
			operands = append(operands, operand{kind: 'm', value: parseNumber(t, m[2]), name: m[1] + m[3]})
		} else if generalText.MatchString(field) {
			operands = append(operands, operand{kind: 'r', name: field})
		} else if number, ok := strings.CutPrefix(field, "K"); ok {
			operands = append(operands, operand{kind: 'k', value: parseNumber(t, number)})
		} else {
			operands = append(operands, operand{kind: 'l', name: field})
		}
	}
	return operands
}

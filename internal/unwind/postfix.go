package unwind

import (
	"strconv"
	"strings"
)

// Bounds on one expression.
const (
	maxTokens = 256
	maxStack  = 64
)

// read takes rules such as ".cfa: $rsp 16 + .ra: .cfa -8 + ^ $rbx: .cfa -16 + ^", which replace those
// that are there.
func (r rules) read(cpu *processor, text string) {
	name, expression := "", []string(nil)
	put := func() {
		if name != "" && len(expression) > 0 && len(expression) <= maxTokens {
			r[name] = expression
		}
	}
	for token := range strings.FieldsSeq(text) {
		if head, is := strings.CutSuffix(token, ":"); is {
			put()
			name, expression = cpu.name(head), nil
			continue
		}
		expression = append(expression, cpu.name(token))
	}
	put()
}

// machine computes expressions with the registers of one call.
type machine struct {
	cpu       *processor
	registers Registers
	memory    Memory
	cfa       uint64
	hasCFA    bool
	stack     []uint64
}

// eval computes an expression: operands are numbers, registers and .cfa; ^ reads memory; @ rounds down to
// a multiple; what DWARF has beyond Breakpad is written in words. ok is false when an operand is not
// known, or the expression makes no sense.
func (m *machine) eval(expression []string) (value uint64, ok bool) {
	m.stack = m.stack[:0]
	for _, token := range expression {
		if !m.step(token) || len(m.stack) > maxStack {
			return 0, false
		}
	}
	if len(m.stack) == 0 {
		return 0, false
	}
	return m.wrap(m.stack[len(m.stack)-1]), true
}

func (m *machine) wrap(v uint64) uint64 {
	if m.cpu.word == 4 {
		return uint64(uint32(v))
	}
	return v
}

func (m *machine) step(token string) bool {
	if apply := twoOperands[token]; apply != nil {
		n := len(m.stack)
		if n < 2 {
			return false
		}
		v, ok := apply(m.stack[n-2], m.stack[n-1])
		m.stack = append(m.stack[:n-2], v)
		return ok
	}
	n := len(m.stack)
	switch token {
	case "^":
		if n < 1 {
			return false
		}
		v, ok := m.memory(m.wrap(m.stack[n-1]))
		m.stack[n-1] = v
		return ok
	case "dup":
		if n < 1 {
			return false
		}
		m.stack = append(m.stack, m.stack[n-1])
		return true
	case "drop":
		m.stack = m.stack[:max(n-1, 0)]
		return n > 0
	case "swap":
		if n < 2 {
			return false
		}
		m.stack[n-1], m.stack[n-2] = m.stack[n-2], m.stack[n-1]
		return true
	case cfa:
		m.stack = append(m.stack, m.cfa)
		return m.hasCFA
	}
	v, ok := m.registers[token]
	if !ok {
		var number int64
		var err error
		if number, err = strconv.ParseInt(token, 0, 64); err != nil {
			return false
		}
		v = uint64(number)
	}
	m.stack = append(m.stack, v)
	return true
}

// twoOperands are the operators with two operands.
var twoOperands = map[string]func(a, b uint64) (uint64, bool){
	"+":   func(a, b uint64) (uint64, bool) { return a + b, true },
	"-":   func(a, b uint64) (uint64, bool) { return a - b, true },
	"*":   func(a, b uint64) (uint64, bool) { return a * b, true },
	"/":   func(a, b uint64) (uint64, bool) { return a / max(b, 1), b != 0 },
	"%":   func(a, b uint64) (uint64, bool) { return a % max(b, 1), b != 0 },
	"@":   func(a, b uint64) (uint64, bool) { return a &^ (b - 1), b != 0 && b&(b-1) == 0 },
	"and": func(a, b uint64) (uint64, bool) { return a & b, true },
	"or":  func(a, b uint64) (uint64, bool) { return a | b, true },
	"shl": func(a, b uint64) (uint64, bool) { return a << min(b, 64), true },
	"shr": func(a, b uint64) (uint64, bool) { return a >> min(b, 64), true },
	"ge":  func(a, b uint64) (uint64, bool) { return truth(int64(a) >= int64(b)), true },
	"gt":  func(a, b uint64) (uint64, bool) { return truth(int64(a) > int64(b)), true },
	"le":  func(a, b uint64) (uint64, bool) { return truth(int64(a) <= int64(b)), true },
	"lt":  func(a, b uint64) (uint64, bool) { return truth(int64(a) < int64(b)), true },
	"eq":  func(a, b uint64) (uint64, bool) { return truth(a == b), true },
	"ne":  func(a, b uint64) (uint64, bool) { return truth(a != b), true },
}

func truth(is bool) uint64 {
	if is {
		return 1
	}
	return 0
}

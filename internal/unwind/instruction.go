package unwind

import (
	"maps"
	"slices"
	"strconv"
)

// maxRemembered bounds the states that instructions may put aside.
const maxRemembered = 64

// interpreter runs the instructions of a frame up to an address.
type interpreter struct {
	*frame
	location   uint64
	state      state
	initial    map[uint64][]string // the rules that DW_CFA_restore brings back
	remembered []state
}

// state is one row of the table that instructions describe.
type state struct {
	register   uint64   // that the CFA is an offset from
	offset     int64    //
	expression []string // of the CFA, instead of both
	rules      map[uint64][]string
}

// rules returns what holds at an address, relative to the image as the start of the frame is.
func (f *frame) rules(address uint64) (rules, bool) {
	in := interpreter{frame: f, location: f.start, state: state{rules: make(map[uint64][]string)}}
	if !in.run(f.initial, address, true) {
		return nil, false
	}
	in.initial, in.location = maps.Clone(in.state.rules), f.start
	if !in.run(f.instructions, address, false) {
		return nil, false
	}
	out := rules{cfa: in.state.expression}
	if out[cfa] == nil {
		name := f.cpu.register(in.state.register)
		if name == "" {
			return nil, false
		}
		out[cfa] = []string{name, number(in.state.offset), "+"}
	}
	for n, expression := range in.state.rules {
		name := f.cpu.register(n)
		if n == f.returns {
			out[ra] = expression
		}
		if name != "" && name != f.cpu.pc {
			out[name] = expression
		}
	}
	return out, true
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// run does instructions until they are about code behind the address. It is false for those that are
// damaged or not known.
// Rule: DWARF 5, section 6.4.2 and 7.24
func (in *interpreter) run(code []byte, address uint64, initial bool) bool {
	r := &reader{data: code, order: in.order}
	for r.more() {
		op := byte(r.unsigned(1))
		step, is := in.advance(r, op)
		switch {
		case is && initial:
			return false
		case is:
			if in.location += step * in.codeAlign; r.failed || in.location > address {
				return !r.failed
			}
		case !in.define(r, op) && !in.change(r, op), r.failed:
			return false
		}
	}
	return true
}

// advance reads an instruction that goes on in the code, by how many units.
func (in *interpreter) advance(r *reader, op byte) (step uint64, is bool) {
	switch {
	case op>>6 == 1:
		return uint64(op & 0x3f), true
	case op == 0x02 || op == 0x03 || op == 0x04:
		return r.unsigned(1 << (op - 2)), true
	case op == 0x1d:
		return r.unsigned(8), true
	}
	return 0, false
}

// define does an instruction that says where the CFA is.
func (in *interpreter) define(r *reader, op byte) bool {
	s := &in.state
	switch op {
	case 0x0c: // DW_CFA_def_cfa
		s.register, s.offset, s.expression = r.uleb(), int64(r.uleb()), nil
	case 0x12: // DW_CFA_def_cfa_sf
		s.register, s.offset, s.expression = r.uleb(), r.sleb()*in.dataAlign, nil
	case 0x0d: // DW_CFA_def_cfa_register
		s.register, s.expression = r.uleb(), nil
	case 0x0e: // DW_CFA_def_cfa_offset
		s.offset = int64(r.uleb())
	case 0x13: // DW_CFA_def_cfa_offset_sf
		s.offset = r.sleb() * in.dataAlign
	case 0x0f: // DW_CFA_def_cfa_expression
		expression, ok := in.expression(r)
		s.expression = expression
		return ok
	default:
		return false
	}
	return true
}

// change does an instruction about the rule of one register, or all of them.
func (in *interpreter) change(r *reader, op byte) bool {
	at := func(offset int64) []string { return []string{cfa, number(offset), "+", "^"} }
	set := func(n uint64, expression []string) {
		if len(in.state.rules) < maxTokens {
			in.state.rules[n] = expression
		}
	}
	switch op >> 6 {
	case 2: // DW_CFA_offset
		set(uint64(op&0x3f), at(int64(r.uleb())*in.dataAlign))
		return true
	case 3: // DW_CFA_restore
		in.restore(uint64(op & 0x3f))
		return true
	}
	switch op {
	case 0x00: // DW_CFA_nop
	case 0x2d: // DW_CFA_AARCH64_negate_ra_state: return addresses are cleaned anyway
	case 0x2e: // DW_CFA_GNU_args_size
		r.uleb()
	case 0x05: // DW_CFA_offset_extended
		set(r.uleb(), at(int64(r.uleb())*in.dataAlign))
	case 0x11: // DW_CFA_offset_extended_sf
		set(r.uleb(), at(r.sleb()*in.dataAlign))
	case 0x2f: // DW_CFA_GNU_negative_offset_extended
		set(r.uleb(), at(-int64(r.uleb())*in.dataAlign))
	case 0x06: // DW_CFA_restore_extended
		in.restore(r.uleb())
	case 0x07: // DW_CFA_undefined
		set(r.uleb(), []string{undefined})
	case 0x08: // DW_CFA_same_value
		delete(in.state.rules, r.uleb())
	case 0x09: // DW_CFA_register
		n, name := r.uleb(), in.cpu.register(r.uleb())
		set(n, []string{name})
		return name != ""
	case 0x14: // DW_CFA_val_offset
		set(r.uleb(), at(int64(r.uleb()) * in.dataAlign)[:3])
	case 0x15: // DW_CFA_val_offset_sf
		set(r.uleb(), at(r.sleb() * in.dataAlign)[:3])
	case 0x10, 0x16: // DW_CFA_expression, DW_CFA_val_expression
		n := r.uleb()
		expression, ok := in.expression(r)
		if expression = append([]string{cfa}, expression...); op == 0x10 {
			expression = append(expression, "^")
		}
		set(n, expression)
		return ok
	case 0x0a: // DW_CFA_remember_state
		kept := in.state
		kept.rules = maps.Clone(kept.rules)
		in.remembered = append(in.remembered, kept)
		return len(in.remembered) <= maxRemembered
	case 0x0b: // DW_CFA_restore_state
		n := len(in.remembered)
		if n == 0 {
			return false
		}
		in.state, in.remembered = in.remembered[n-1], in.remembered[:n-1]
	default:
		return false
	}
	return true
}

func (in *interpreter) restore(n uint64) {
	delete(in.state.rules, n)
	if expression, is := in.initial[n]; is {
		in.state.rules[n] = expression
	}
}

// operators are the words of package unwind for DWARF's operations without operands.
// Rule: DWARF 5, section 7.7.1
var operators = map[byte]string{0x06: "^", 0x12: "dup", 0x13: "drop", 0x16: "swap", 0x1a: "and", 0x1b: "/", 0x1c: "-", 0x1d: "%", 0x1e: "*", 0x21: "or",
	0x22: "+", 0x24: "shl", 0x25: "shr", 0x29: "eq", 0x2a: "ge", 0x2b: "gt", 0x2c: "le", 0x2d: "lt", 0x2e: "ne"}

// expression reads a DWARF expression with its length before it.
func (in *interpreter) expression(r *reader) (out []string, ok bool) {
	size := r.uleb()
	e := reader{data: r.data, at: r.at, order: r.order}
	if r.skip(size); r.failed {
		return nil, false
	}
	e.data = r.data[:r.at]
	for e.more() {
		op := byte(e.unsigned(1))
		if word := operators[op]; word != "" {
			out = append(out, word)
		} else if more := in.operand(&e, op); more != nil {
			out = append(out, more...)
		} else if op != 0x96 { // DW_OP_nop
			return nil, false
		}
		if len(out) > maxTokens {
			return nil, false
		}
	}
	return slices.Clip(out), !e.failed && len(out) > 0
}

// operand reads an operation that puts a number on the stack, or adds one; nil for one that is not known.
func (in *interpreter) operand(e *reader, op byte) []string {
	offset := func(n uint64) []string {
		name := in.cpu.register(n)
		if name == "" {
			return nil
		}
		return []string{name, number(e.sleb()), "+"}
	}
	switch {
	case op >= 0x08 && op <= 0x0f: // DW_OP_const1u … const8s
		width := uint64(1) << ((op - 0x08) / 2)
		if op%2 == 0 {
			return []string{number(int64(e.unsigned(width)))}
		}
		return []string{number(int64(e.signed(width)))}
	case op == 0x10: // DW_OP_constu
		return []string{number(int64(e.uleb()))}
	case op == 0x11: // DW_OP_consts
		return []string{number(e.sleb())}
	case op == 0x23: // DW_OP_plus_uconst
		return []string{number(int64(e.uleb())), "+"}
	case op >= 0x30 && op <= 0x4f: // DW_OP_lit0 … lit31
		return []string{number(int64(op - 0x30))}
	case op >= 0x70 && op <= 0x8f: // DW_OP_breg0 … breg31
		return offset(uint64(op - 0x70))
	case op == 0x92: // DW_OP_bregx
		return offset(e.uleb())
	}
	return nil
}

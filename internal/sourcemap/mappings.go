package sourcemap

// digits are the values of base 64 by byte; 255 is none.
var digits = func() (table [256]byte) {
	for i := range table {
		table[i] = 255
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		table[c] = byte(i)
	}
	return table
}()

// mappings decodes the mappings of one section. Those that point outside its lists keep their
// place in the script and nothing else.
func (p *parser) mappings(text []byte, base position, in limits) error {
	if p.flat == nil {
		p.flat = make([]flatToken, 0, min(len(text)/5+1, maxTokens))
	}
	line, column := base.line, int64(base.column)
	var source, from, at, name int64 // at is the original line, from its column
	var field [5]int64
	for i := 0; i < len(text); {
		switch text[i] {
		case ';':
			line, column = line+1, 0
			i++
			continue
		case ',':
			i++
			continue
		}
		n := 0
		for i < len(text) && text[i] != ',' && text[i] != ';' {
			if n == len(field) {
				return refuse("a mapping has too many fields at byte %d", i)
			}
			v, next := vlq(text, i)
			if next < 0 {
				return refuse("its mappings are damaged at byte %d", i)
			}
			field[n] = v
			n, i = n+1, next
		}
		column += field[0]
		t := flatToken{line, token{source: -1, name: -1}}
		if n >= 4 {
			source, at, from = source+field[1], at+field[2], from+field[3]
			if source >= 0 && source < int64(in.sources) && at >= 0 && at <= maxTokens && from >= 0 && from < 1<<32 {
				t.source, t.token.line, t.from = int32(in.sourceBase+int(source)), uint32(at), uint32(from)
			}
		}
		if n == 5 {
			if name += field[4]; name >= 0 && name < int64(in.names) {
				t.name = int32(in.nameBase + int(name))
			}
		}
		if column < 0 || column >= 1<<32 {
			continue
		}
		t.column = uint32(column)
		if len(p.flat) == maxTokens {
			return refuse("it has more than %d mappings", maxTokens)
		}
		p.flat = append(p.flat, t)
	}
	return nil
}

// vlq reads the number at i and returns where the next one begins, -1 when there is none.
func vlq(text []byte, i int) (int64, int) {
	var v int64
	for shift := 0; i < len(text) && shift <= 35; shift += 5 {
		d := digits[text[i]]
		if d == 255 {
			return 0, -1
		}
		i++
		v |= int64(d&31) << shift
		if d < 32 {
			if v&1 != 0 {
				return -(v >> 1), i
			}
			return v >> 1, i
		}
	}
	return 0, -1
}

package ingest

import (
	"encoding/binary"
	"errors"
	"math"
)

// maxPackDepth is how deep values of MessagePack may be nested.
const maxPackDepth = 64

var errPack = errors.New("not MessagePack")

// readPack reads one value of MessagePack as encoding/json would give it, and returns what follows.
// The work is bounded by the size of b: a value has at least one byte.
// Rule: https://github.com/msgpack/msgpack/blob/master/spec.md
func readPack(b []byte, depth int) (v any, rest []byte, err error) {
	if len(b) == 0 || depth > maxPackDepth {
		return nil, nil, errPack
	}
	c := b[0]
	b = b[1:]
	switch {
	case c < 0x80:
		return float64(c), b, nil
	case c < 0x90:
		return readPackMap(b, uint64(c&0x0f), depth)
	case c < 0xa0:
		return readPackList(b, uint64(c&0x0f), depth)
	case c < 0xc0:
		return readPackText(b, uint64(c&0x1f))
	case c >= 0xe0:
		return float64(int8(c)), b, nil
	case c == 0xc0:
		return nil, b, nil
	case c == 0xc2, c == 0xc3:
		return c == 0xc3, b, nil
	}
	size, kind := packSizes[c], packKinds[c]
	if size == 0 || len(b) < size {
		return nil, nil, errPack
	}
	var wide [8]byte
	copy(wide[8-size:], b[:size])
	n, b := binary.BigEndian.Uint64(wide[:]), b[size:]
	switch kind {
	case packFloat:
		f := math.Float64frombits(n)
		if size == 4 {
			f = float64(math.Float32frombits(uint32(n)))
		}
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, b, nil
		}
		return f, b, nil
	case packInt:
		shift := 64 - 8*size
		return float64(int64(n<<shift) >> shift), b, nil
	case packUint:
		return float64(n), b, nil
	case packText:
		return readPackText(b, n)
	case packList:
		return readPackList(b, n, depth)
	default:
		return readPackMap(b, n, depth)
	}
}

type packKind uint8

const (
	packMap packKind = iota
	packList
	packText
	packUint
	packInt
	packFloat
)

// packSizes are the bytes of the number behind each lead, packKinds what it is.
var (
	packSizes = [256]int{0xc4: 1, 0xc5: 2, 0xc6: 4, 0xca: 4, 0xcb: 8, 0xcc: 1, 0xcd: 2, 0xce: 4, 0xcf: 8, 0xd0: 1, 0xd1: 2, 0xd2: 4, 0xd3: 8,
		0xd9: 1, 0xda: 2, 0xdb: 4, 0xdc: 2, 0xdd: 4, 0xde: 2, 0xdf: 4}
	packKinds = [256]packKind{0xc4: packText, 0xc5: packText, 0xc6: packText, 0xca: packFloat, 0xcb: packFloat, 0xcc: packUint, 0xcd: packUint,
		0xce: packUint, 0xcf: packUint, 0xd0: packInt, 0xd1: packInt, 0xd2: packInt, 0xd3: packInt, 0xd9: packText, 0xda: packText, 0xdb: packText,
		0xdc: packList, 0xdd: packList}
)

func readPackText(b []byte, n uint64) (any, []byte, error) {
	if n > uint64(len(b)) {
		return nil, nil, errPack
	}
	return string(b[:n]), b[n:], nil
}

func readPackList(b []byte, n uint64, depth int) (_ any, _ []byte, err error) {
	if n > uint64(len(b)) {
		return nil, nil, errPack
	}
	list := []any{}
	for range n {
		var v any
		if v, b, err = readPack(b, depth+1); err != nil {
			return nil, nil, err
		}
		list = append(list, v)
	}
	return list, b, nil
}

func readPackMap(b []byte, n uint64, depth int) (_ any, _ []byte, err error) {
	if n > uint64(len(b)) {
		return nil, nil, errPack
	}
	m := map[string]any{}
	for range n {
		var k, v any
		if k, b, err = readPack(b, depth+1); err != nil {
			return nil, nil, err
		}
		if v, b, err = readPack(b, depth+1); err != nil {
			return nil, nil, err
		}
		if name, ok := k.(string); ok {
			m[name] = v
		}
	}
	return m, b, nil
}

package event

import "bytes"

// repairDepth bounds the nesting of a repaired document, below what the JSON library refuses.
const repairDepth = 1000

// repair rewrites what clients are known to send although JSON forbids it: a byte order mark,
// NaN and Infinity, and control characters inside strings. It also cuts nesting that no reader
// survives. It runs only on documents that failed, and may return one that fails again.
func repair(b []byte) []byte {
	b = bytes.TrimPrefix(b, []byte("\uFEFF"))
	out := make([]byte, 0, len(b)+16)
	depth := 0
	for i := 0; i < len(b); {
		c := b[i]
		switch {
		case c == '"':
			end := laxStringEnd(b, i)
			out = appendLaxString(out, b[i:end])
			i = end
			continue
		case c == '{' || c == '[':
			if depth == repairDepth {
				i = laxValueEnd(b, i)
				out = append(out, "null"...)
				continue
			}
			depth++
		case c == '}' || c == ']':
			depth--
		case c == 'N' || c == 'I' || c == '-' && i+1 < len(b) && b[i+1] == 'I':
			if n := len(notNumber(b[i:])); n > 0 {
				out = append(out, "null"...)
				i += n
				continue
			}
		case c == 0:
			i++
			continue
		}
		out = append(out, c)
		i++
	}
	return out
}

func notNumber(b []byte) string {
	for _, word := range [...]string{"NaN", "Infinity", "-Infinity"} {
		if bytes.HasPrefix(b, []byte(word)) {
			return word
		}
	}
	return ""
}

// laxStringEnd returns the index behind the string at b[i], or the end of b.
func laxStringEnd(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// laxValueEnd returns the index behind the container at b[i], or the end of b.
func laxValueEnd(b []byte, i int) int {
	for depth := 0; i < len(b); {
		switch b[i] {
		case '"':
			i = laxStringEnd(b, i)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if i++; depth == 0 {
			return i
		}
	}
	return len(b)
}

// appendLaxString escapes the control characters of a quoted string and drops its NULs.
func appendLaxString(dst, quoted []byte) []byte {
	for _, c := range quoted {
		switch {
		case c == 0:
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

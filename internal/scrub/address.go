package scrub

import "net/netip"

// addresses finds IPv4 and IPv6 addresses that stand as words of their own.
func addresses(dst []span, s string) []span {
	for i := 0; i < len(s); {
		if !addressByte(s[i]) || i > 0 && wordByte(s[i-1]) {
			i++
			continue
		}
		end := i
		for end < len(s) && addressByte(s[end]) {
			end++
		}
		if n := addressLength(s[i:end]); n > 0 && (i+n == len(s) || !wordByte(s[i+n])) {
			dst = append(dst, span{i, i + n})
			if i += n; len(dst) >= maxSpans {
				return dst
			}
			continue
		}
		i = next(s, i, end)
	}
	return dst
}

// next is where another address may begin: behind the next byte that no word continues over.
func next(s string, i, end int) int {
	for i++; i < end; i++ {
		if !wordByte(s[i-1]) {
			return i
		}
	}
	return end
}

func addressByte(c byte) bool {
	return digit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' || c == ':' || c == '.'
}

// addressLength is the length of the address at the start of run; zero when there is none. Dots and
// colons behind it belong to the sentence, and so may a port.
func addressLength(run string) int {
	const longest = 45 // bytes of an IPv6 address with an embedded IPv4 one
	if dots := leadingV4(run); dots > 0 {
		return dots
	}
	colons, n := 0, 0
	for ; n < min(len(run), longest) && colons <= 8; n++ {
		if run[n] == ':' {
			colons++
		}
	}
	if colons < 2 {
		return 0
	}
	for ; n > 2; n-- {
		if c := run[n-1]; c == '.' || n < len(run) && wordByte(run[n]) && wordByte(c) {
			continue
		}
		if addr, err := netip.ParseAddr(run[:n]); err == nil && addr.Is6() {
			return n
		}
	}
	return 0
}

// leadingV4 is the length of four numbers with dots between them.
func leadingV4(run string) int {
	i := 0
	for part := range 4 {
		start, n := i, 0
		for i < len(run) && digit(run[i]) && i-start < 3 {
			n = n*10 + int(run[i]-'0')
			i++
		}
		if i == start || n > 255 {
			return 0
		}
		if part == 3 {
			break
		}
		if i == len(run) || run[i] != '.' {
			return 0
		}
		i++
	}
	if i < len(run) && wordByte(run[i]) {
		return 0
	}
	return i
}

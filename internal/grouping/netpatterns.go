package grouping

import (
	"net/netip"
	"strconv"
	"strings"
)

// mailChar holds the characters of the local part of an e-mail address.
var mailChar = func() (set [256]bool) {
	for c := range set {
		set[c] = isLetter(byte(c)) || isDigit(byte(c)) || strings.IndexByte(".!#$%&'*+/=?^_`{|}~-", byte(c)) >= 0
	}
	return set
}()

func isLabelChar(c byte) bool { return isLetter(c) || isDigit(c) || c == '-' }

// email matches an address. A run of local characters that no @ follows is looked at once.
func (sc *scanner) email(i int) int {
	s := sc.text
	if i < sc.emailUntil {
		return 0
	}
	at := i
	for at < len(s) && mailChar[s[at]] {
		at++
	}
	if at > i && at < len(s) && s[at] == '@' {
		end := runOf(s, at+1, len(s), isLabelChar)
		if end > at+1 {
			for end < len(s) && s[end] == '.' {
				next := runOf(s, end+1, len(s), isLabelChar)
				if next == end+1 {
					break
				}
				end = next
			}
			return end
		}
	}
	sc.emailUntil = at
	return 0
}

const maxLabel = 63

// hostname matches labels up to the first one that is a known top-level domain. When none is, no
// start before the label where the search ended can do better, and none is tried.
func (sc *scanner) hostname(i int) int {
	s := sc.text
	if i < sc.hostUntil || !boundary(s, i) {
		return 0
	}
	for label := i; ; {
		end := runOf(s, label, maxLabel+1, isLabelChar)
		n := end - label
		if label > i && n > 0 && n <= maxTopLevel && !wordAt(s, end) && topLevel(s[label:end]) {
			return end
		}
		if label > i {
			if dash := strings.IndexByte(s[label:end], '-'); dash > 0 && topLevel(s[label:label+dash]) {
				return label + dash
			}
		}
		if n == 0 || n > maxLabel || end >= len(s) || s[end] != '.' {
			sc.hostUntil = label
			return 0
		}
		label = end + 1
	}
}

// topLevelDomains are the common ones; the full list would turn file names into hosts.
const topLevelDomains = "com net org jp de uk fr br it ru es me gov pl ca au cn co in nl edu info eu " +
	"ch id at kr cz mx be tv se tr tw al ua ir vn cl sk ly cc to no fi us pt dk ar hu tk gr il news ro " +
	"my biz ie za nz sg ee th io xyz pe bg hk rs lt link ph club si site mobi by cat wiki la ga xxx cf " +
	"hr ng jobs online kz ug gq ae is lv pro fm tips ms sa app"

var topLevels, maxTopLevel = func() (map[string]bool, int) {
	set, longest := map[string]bool{}, 0
	for _, d := range strings.Fields(topLevelDomains) {
		set[d], set[strings.ToUpper(d)] = true, true
		longest = max(longest, len(d))
	}
	return set, longest
}()

func topLevel(label string) bool { return len(label) <= maxTopLevel && topLevels[label] }

// ip matches what looks like an IP address and then validates it. A text that fails counts as a
// rejected candidate, and its end is returned.
func (sc *scanner) ip(i int) int {
	s := sc.text
	end := ipv6At(s, i)
	if end == 0 && isDigit(s[i]) {
		end = ipv4At(s, i)
		if wordAt(s, end) {
			end = 0
		}
	}
	if end > 0 && !validIP(s[i:end]) {
		sc.rejected = true
	}
	return end
}

// validIP accepts an address, alone or with the length of its network prefix.
func validIP(s string) bool {
	address, prefix, ok := strings.Cut(s, "/")
	addr, err := netip.ParseAddr(address)
	if err != nil || !ok {
		return err == nil
	}
	n, err := strconv.Atoi(prefix)
	return err == nil && n <= addr.BitLen()
}

// ipv6At matches two to seven groups of up to four hexadecimal digits with a colon each, then a
// dotted quad or one more group, then an optional prefix length. As many groups as possible count.
func ipv6At(s string, i int) int {
	var after [8]int // ends of the groups
	n, j := 0, i
	for n < 7 {
		k := runOf(s, j, 4, isHex)
		if k >= len(s) || s[k] != ':' {
			break
		}
		j = k + 1
		n++
		after[n] = j
	}
	for ; n >= 2; n-- {
		if quad := ipv4At(s, after[n]); quad > 0 {
			if end := ipTail(s, quad); end > 0 {
				return end
			}
		}
		if end := ipTail(s, runOf(s, after[n], 4, isHex)); end > 0 {
			return end
		}
	}
	return 0
}

// ipTail takes a prefix length when there is one, and returns 0 when a letter or digit follows.
func ipTail(s string, i int) int {
	if i < len(s) && s[i] == '/' {
		end := runOf(s, i+1, 3, isDigit)
		if end > i+1 && (end == len(s) || !isLetter(s[end]) && !isDigit(s[end])) {
			return end
		}
	}
	if i < len(s) && (isLetter(s[i]) || isDigit(s[i])) {
		return 0
	}
	return i
}

// ipv4At matches four numbers up to 255 with dots between them; one of three digits begins with no zero.
func ipv4At(s string, i int) int {
	for part := range 4 {
		if part > 0 {
			if i >= len(s) || s[i] != '.' {
				return 0
			}
			i++
		}
		end := runOf(s, i, 4, isDigit)
		n := 0
		for _, c := range []byte(s[i:end]) {
			n = n*10 + int(c-'0')
		}
		if end == i || end-i > 3 || n > 255 || end-i == 3 && n < 100 {
			return 0
		}
		i = end
	}
	return i
}

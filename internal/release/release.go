// Package release orders the releases of a project: by version where the project names its
// releases so, else by the date of each.
//
// Rule: getsentry/sentry src/sentry/models/release.py, getsentry/sentry-release-parser
package release

import (
	"strconv"
	"strings"
	"time"
)

// Version is a parsed release name: package@major.minor.patch.revision-pre+build, where the
// package, the lower numbers, pre and build may be absent.
type Version struct {
	Package string
	Numbers [4]uint64 // major, minor, patch, revision
	Pre     string
	Build   string
}

const maxName = 250 // characters; longer names are no versions

// Parse reads a release name. ok is false when it holds no version, such as a bare commit hash.
func Parse(name string) (v Version, ok bool) {
	if len(name) > maxName {
		return v, false
	}
	text := name
	if at := strings.LastIndexByte(name, '@'); at >= 0 {
		v.Package, text = name[:at], name[at+1:]
	}
	if isHash(text) {
		return v, false
	}
	if len(text) > 1 && (text[0] == 'v' || text[0] == 'V') {
		text = text[1:]
	}
	text, v.Build, _ = strings.Cut(text, "+")
	numbers, pre, hasPre := strings.Cut(text, "-")
	v.Pre = pre
	if hasPre && pre == "" {
		return v, false
	}
	for i := 0; ; i++ {
		part, rest, more := strings.Cut(numbers, ".")
		if i == len(v.Numbers) {
			return v, false
		}
		n, err := strconv.ParseUint(part, 10, 63)
		if err != nil {
			return v, false
		}
		v.Numbers[i] = n
		if numbers = rest; !more {
			return v, true
		}
	}
}

// isHash reports whether s is a build hash: hex digits, as many as the known hashes have.
func isHash(s string) bool {
	switch len(s) {
	case 12, 16, 20, 32, 40, 64:
	default:
		return false
	}
	return strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

// Compare orders versions, the package aside: by number, a pre-release before its release,
// pre-releases by their bytes, then builds, as numbers when both are.
func (v Version) Compare(w Version) int {
	for i := range v.Numbers {
		if v.Numbers[i] != w.Numbers[i] {
			return sign(v.Numbers[i] > w.Numbers[i])
		}
	}
	if v.Pre != w.Pre {
		switch {
		case v.Pre == "":
			return 1
		case w.Pre == "":
			return -1
		}
		return strings.Compare(v.Pre, w.Pre)
	}
	a, kindA := v.buildNumber()
	b, kindB := w.buildNumber()
	switch {
	case kindA != kindB:
		return sign(kindA > kindB)
	case a != b:
		return sign(a > b)
	}
	return strings.Compare(v.Build, w.Build)
}

// The kinds of builds, in their order.
const (
	noBuild = iota
	numberedBuild
	namedBuild
)

// buildNumber is the build as a number, where it is one.
func (v Version) buildNumber() (n uint64, kind int) {
	if v.Build == "" {
		return 0, noBuild
	}
	n, err := strconv.ParseUint(v.Build, 10, 63)
	if err != nil {
		return 0, namedBuild
	}
	return n, numberedBuild
}

func sign(positive bool) int {
	if positive {
		return 1
	}
	return -1
}

// Seen is a release and its date: when it was released, else first seen.
type Seen struct {
	Version   string
	FirstSeen time.Time
}

// FollowsSemver reports whether a project orders its releases by version, from its newest ones,
// the newest first. It does when all of the last ten are versions, be they numbered, calendar dates
// or build numbers; and when enough of them are versions with a package: with up to two the newest,
// with up to nine one of the last three, else one of the last three and three of the last ten.
func FollowsSemver(newest []Seen) bool {
	newest = newest[:min(len(newest), 10)]
	var of3, of10, plain int
	for i, s := range newest {
		v, ok := Parse(s.Version)
		if ok {
			plain++
		}
		if !ok || v.Package == "" {
			continue
		}
		if of10++; i < 3 {
			of3++
		}
		if i == 0 && len(newest) <= 2 {
			return true
		}
	}
	switch {
	case len(newest) > 0 && plain == len(newest):
		return true
	case len(newest) <= 2:
		return false
	case len(newest) < 10:
		return of3 > 0
	}
	return of3 > 0 && of10 >= 3
}

// Order returns the comparison of a project's releases. newest holds its newest ones by their date,
// the newest first; seen holds all that may be compared. A release that was never seen counts as the newest
// of all. Names that are versions are compared as such where the project names its releases so.
func Order(seen, newest []Seen) func(a, b string) (cmp int, semver bool) {
	firstSeen := make(map[string]time.Time, len(seen))
	for _, s := range seen {
		firstSeen[s.Version] = s.FirstSeen
	}
	follows := FollowsSemver(newest)
	return func(a, b string) (int, bool) {
		if va, ok := Parse(a); follows && ok {
			if vb, ok := Parse(b); ok {
				return va.Compare(vb), true
			}
		}
		ta, knownA := firstSeen[a]
		tb, knownB := firstSeen[b]
		switch {
		case a == b || !knownA && !knownB:
			return 0, false
		case !knownA:
			return 1, false
		case !knownB:
			return -1, false
		}
		return ta.Compare(tb), false
	}
}

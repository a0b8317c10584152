package release

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Status says whether a release is still listed. The numbers are stored.
type Status int16

// The statuses.
const (
	Open     Status = 0
	Archived Status = 1
)

// String is the wire's word.
func (s Status) String() string {
	if s == Archived {
		return "archived"
	}
	return "open"
}

// ParseStatus reads the wire's word.
func ParseStatus(word string) (Status, bool) {
	switch word {
	case "open", "":
		return Open, true
	case "archived":
		return Archived, true
	}
	return Open, false
}

// MaxVersion is how many characters a version may have.
const MaxVersion = 200

// ValidateVersion refuses, as fault.Invalid, what cannot name a release.
// Rule: getsentry/sentry src/sentry/models/releases/constants.py, Release.is_valid_version
func ValidateVersion(version string) error {
	switch trimmed := strings.TrimSpace(version); {
	case trimmed == "":
		return fault.New(fault.Invalid, "This field may not be blank.")
	case !utf8.ValidString(version) || utf8.RuneCountInString(version) > MaxVersion:
		return fault.New(fault.Invalid, "Ensure this field has no more than %d characters.", MaxVersion)
	case trimmed == "." || trimmed == ".." || strings.EqualFold(trimmed, "latest") || strings.ContainsAny(version, "/\\\r\n\t\f\x00"):
		return fault.New(fault.Invalid, "Release with name %.60s is not a valid version: \".\", \"..\", \"latest\", slashes and line breaks cannot be used.", strings.TrimSpace(version))
	}
	return nil
}

// ID is the number that the API knows an organization's release by. It is made of the version, so
// that a release has the same one in every project.
func ID(org int64, version string) int64 {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(version+"\x00"), uint64(org)))
	return int64(binary.BigEndian.Uint64(sum[:8]) >> 12) // what JavaScript keeps exact
}

// Short is a version without its package; long hashes are cut.
func Short(version string) string {
	if at := strings.LastIndexByte(version, '@'); at >= 0 && at < len(version)-1 {
		version = version[at+1:]
	}
	if isHash(version) && len(version) > 12 {
		return version[:12]
	}
	return version
}

// Hash returns the build hash that a version is, if it is one.
func Hash(version string) (hash string, ok bool) {
	if at := strings.LastIndexByte(version, '@'); at >= 0 {
		version = version[at+1:]
	}
	return version, isHash(version)
}

// SortKey is bytes that sort as the versions do; nil when the name is no version.
func SortKey(name string) []byte {
	v, ok := Parse(name)
	if !ok {
		return nil
	}
	var b bytes.Buffer
	for _, n := range v.Numbers {
		_ = binary.Write(&b, binary.BigEndian, n) // a buffer takes all
	}
	if v.Pre == "" {
		b.WriteByte(1) // after every pre-release
	} else {
		b.WriteByte(0)
		b.WriteString(v.Pre)
		b.WriteByte(0)
	}
	n, kind := v.buildNumber()
	b.WriteByte(byte(kind))
	switch kind {
	case numberedBuild:
		_ = binary.Write(&b, binary.BigEndian, n)
	case namedBuild:
		b.WriteString(v.Build)
	}
	return b.Bytes()
}

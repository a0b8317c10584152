package grouping

import (
	"crypto/md5"
	"encoding/hex"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Hash is what grouping made of one variant of an event. An issue owns many.
type Hash [md5.Size]byte

// String is the hash as 32 lower-case hex digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash reads 32 lower-case hex digits. fault.Invalid: anything else.
func ParseHash(s string) (Hash, error) {
	h, ok := parseHash(s)
	if !ok {
		return Hash{}, fault.New(fault.Invalid, "a grouping hash is 32 lower-case hexadecimal digits")
	}
	return h, nil
}

func parseHash(s string) (h Hash, ok bool) {
	if len(s) != hex.EncodedLen(len(h)) {
		return h, false
	}
	for i := range len(s) {
		if c := s[i]; !isDigit(c) && (c < 'a' || c > 'f') {
			return h, false
		}
	}
	_, err := hex.Decode(h[:], []byte(s))
	return h, err == nil
}

// hashOf is the hash of texts put together without a separator.
func hashOf(texts ...string) Hash {
	var b []byte
	for _, t := range texts {
		b = append(b, t...)
	}
	return md5.Sum(b)
}

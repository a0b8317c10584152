package event

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// str reads a string. Null is nothing; another type is dropped and remarked.
func (r *reader) str(name string) string {
	if r.kind() == '"' {
		return r.text()
	}
	if !r.null() {
		r.invalid(name, "a string")
	}
	return ""
}

// lenient reads a string, or a boolean or number as its text.
// Rule: getsentry/relay relay-event-schema/src/protocol/types.rs (LenientString)
func (r *reader) lenient(name string) string {
	s, ok := r.lenientText()
	if !ok {
		r.invalid(name, "a string")
	}
	return s
}

// lenientText is lenient without a remark: when it is false the reader has not moved.
func (r *reader) lenientText() (string, bool) {
	switch r.kind() {
	case '"':
		return r.text(), true
	case 'n':
		r.i += len("null")
		return "", true
	case 't':
		r.i += len("true")
		return "True", true
	case 'f':
		r.i += len("false")
		return "False", true
	case '{', '[':
		return "", false
	}
	end := scalarEnd(r.b, r.i)
	num := r.s[r.i:end]
	if strings.ContainsAny(num, ".eE") {
		f, err := strconv.ParseFloat(num, 64)
		if err != nil || math.Abs(f) >= 1<<53 {
			return "", false
		}
		num = strconv.FormatInt(int64(f), 10)
	}
	r.i = end
	return num, true
}

// jsonText reads a string, or any other value as its JSON text.
// Rule: getsentry/relay relay-event-schema/src/protocol/types.rs (JsonLenientString)
func (r *reader) jsonText(name string) string {
	switch r.kind() {
	case '"':
		return r.text()
	case 'n':
		r.i += len("null")
		return ""
	}
	return string(r.raw(name))
}

// integer reads a whole number; a fraction is cut off. False when there is none.
func (r *reader) integer(name string) (int, bool) {
	switch c := r.kind(); {
	case c == '-', c >= '0' && c <= '9':
		end := scalarEnd(r.b, r.i)
		if n, err := strconv.Atoi(r.s[r.i:end]); err == nil {
			r.i = end
			return n, true
		}
		if f, err := strconv.ParseFloat(r.s[r.i:end], 64); err == nil && math.Abs(f) < 1<<53 {
			r.i = end
			return int(f), true
		}
	case r.null():
		return 0, false
	}
	r.invalid(name, "an integer")
	return 0, false
}

// position reads a line or column number: positive, zero when unknown.
func (r *reader) position(name string) int {
	start := r.i
	n, ok := r.integer(name)
	if ok && (n < 0 || n > math.MaxInt32) {
		r.i = start
		r.invalid(name, "a positive integer")
		return 0
	}
	return n
}

// integerPointer reads a whole number, nil when there is none.
func (r *reader) integerPointer(name string) *int {
	if n, ok := r.integer(name); ok {
		return &n
	}
	return nil
}

// boolean reads true or false, nil when there is none.
func (r *reader) boolean(name string) *bool {
	switch r.kind() {
	case 't':
		r.i += len("true")
		return new(true)
	case 'f':
		r.i += len("false")
		return new(false)
	case 'n':
		r.i += len("null")
		return nil
	}
	r.invalid(name, "a boolean")
	return nil
}

// identifier reads a string or an integer as text: thread ids.
func (r *reader) identifier(name string) string {
	if c := r.kind(); c == 't' || c == 'f' {
		r.invalid(name, "a string or an integer")
		return ""
	}
	return r.lenient(name)
}

// address reads a memory address in any of its forms and writes it as 0x….
func (r *reader) address(name string) string {
	start := r.i
	text, ok := r.lenientText()
	if ok && text == "" {
		return ""
	}
	if n, err := strconv.ParseUint(text, 0, 64); ok && err == nil {
		var buf [20]byte
		return string(strconv.AppendUint(append(buf[:0], "0x"...), n, 16))
	}
	r.i = start
	r.invalid(name, "an address")
	return ""
}

// level reads a severity by name or number; zero when absent or invalid.
func (r *reader) level(name string) Level {
	start := r.i
	text, ok := r.lenientText()
	if level := ParseLevel(text); ok && (level != 0 || text == "") {
		return level
	}
	r.i = start
	r.invalid(name, "a level")
	return 0
}

// ParseLevel reads a severity by its name, an old alias of it, or its number; zero when it is none.
func ParseLevel(s string) Level {
	switch s {
	case "error", "40":
		return LevelError
	case "info", "log", "20":
		return LevelInfo
	case "warning", "30":
		return LevelWarning
	case "debug", "10":
		return LevelDebug
	case "fatal", "critical", "50":
		return LevelFatal
	case "sample", "5":
		return LevelSample
	}
	return 0
}

// String is the name of the level, empty for none.
func (l Level) String() string {
	switch l {
	case LevelSample:
		return "sample"
	case LevelDebug:
		return "debug"
	case LevelInfo:
		return "info"
	case LevelWarning:
		return "warning"
	case LevelError:
		return "error"
	case LevelFatal:
		return "fatal"
	}
	return ""
}

// The seconds of the years 1 and 9999: what a timestamp may name.
const (
	firstSecond = -62135596799
	lastSecond  = 253402300799
)

// timestamp reads seconds since the epoch or an RFC 3339 text, with or without zone, in
// microseconds. Zero when absent or invalid.
// Rule: getsentry/relay relay-event-schema/src/protocol/types.rs (Timestamp)
func (r *reader) timestamp(name string) time.Time {
	start := r.i
	switch c := r.kind(); {
	case c == '"':
		if t, ok := parseTime(r.text()); ok {
			return t
		}
		r.i = start
	case c == '-', c >= '0' && c <= '9':
		end := scalarEnd(r.b, r.i)
		if us, ok := parseMicros(r.b[r.i:end]); ok {
			r.i = end
			return time.UnixMicro(us).UTC()
		}
	case r.null():
		return time.Time{}
	}
	r.invalid(name, "a timestamp")
	return time.Time{}
}

func parseTime(s string) (time.Time, bool) {
	if len(s) > 64 {
		return time.Time{}, false
	}
	if len(s) > 10 && s[10] == ' ' {
		s = s[:10] + "T" + s[11:]
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t, err = time.Parse("2006-01-02T15:04:05.999999999", s)
	}
	if err != nil || t.Unix() < firstSecond || t.Unix() > lastSecond {
		return time.Time{}, false
	}
	return t.Round(time.Microsecond).UTC(), true
}

// parseMicros reads decimal seconds as microseconds, exactly when there is no exponent.
func parseMicros(num []byte) (int64, bool) {
	if us, ok := exactMicros(num); ok {
		return us, us > (firstSecond-1)*1e6 && us < (lastSecond+1)*1e6
	}
	f, err := strconv.ParseFloat(string(num), 64)
	if err != nil || f < firstSecond || f > lastSecond {
		return 0, false
	}
	return int64(math.Round(f * 1e6)), true
}

// exactMicros reads at most 12 digits before the point and 6 behind it; false for other numbers.
func exactMicros(num []byte) (us int64, ok bool) {
	i := 0
	if num[0] == '-' {
		i++
	}
	point := digitsEnd(num, i)
	end := point
	if point < len(num) && num[point] == '.' {
		end = digitsEnd(num, point+1)
	}
	if end < len(num) || point-i > 12 || end-point > 7 {
		return 0, false
	}
	for _, c := range num[i:point] {
		us = us*10 + int64(c-'0')
	}
	for at := point + 1; at <= point+6; at++ {
		us *= 10
		if at < end {
			us += int64(num[at] - '0')
		}
	}
	if i > 0 {
		us = -us
	}
	return us, true
}

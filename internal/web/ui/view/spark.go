package view

import (
	"strconv"
)

// Series is a count per bucket, oldest first; the last bucket is still filling.
type Series struct {
	Counts []int64
	Unit   string // of one bucket: "hour", "day"
	Labels []string
	Per    string // one bucket in words, such as "4 hours"; empty: one unit
	End    string // of the time, in words; empty: today
}

func (s Series) total() (n int64) {
	for _, c := range s.Counts {
		n += c
	}
	return n
}

func (s Series) max() (n int64) {
	for _, c := range s.Counts {
		n = max(n, c)
	}
	return n
}

// words tells the series in a sentence.
func (s Series) words() string {
	n := len(s.Counts)
	if s.Per != "" {
		return Long(s.total()) + " " + plural(int(s.total()), "event", "events") + ", at most " + Long(s.max()) + " in " + s.Per
	}
	return Long(s.total()) + " " + plural(int(s.total()), "event", "events") + " in " + strconv.Itoa(n) + " " + s.Unit + "s, at most " + Long(s.max()) + " per " + s.Unit
}

// path draws the bars in a box of the given size, in one path: a bar that is not empty is at least
// one unit high, so that a single event shows.
func (s Series) path(width, height, gap float64) string {
	top := s.max()
	if top == 0 {
		return ""
	}
	b := make([]byte, 0, 24*len(s.Counts))
	step := width / float64(len(s.Counts))
	for i, c := range s.Counts {
		if c == 0 {
			continue
		}
		h := max(float64(c)/float64(top)*height, 1.5)
		b = append(b, 'M')
		b = number(b, float64(i)*step)
		b = append(b, ' ')
		b = number(b, height-h)
		b = append(b, 'h')
		b = number(b, step-gap)
		b = append(b, 'v')
		b = number(b, h)
		b = append(b, 'h', '-')
		b = number(b, step-gap)
		b = append(b, 'z')
	}
	return string(b)
}

// number writes at most one decimal.
func number(b []byte, f float64) []byte {
	n := int64(f*10 + 0.5)
	b = strconv.AppendInt(b, n/10, 10)
	if d := n % 10; d != 0 {
		b = append(b, '.', byte('0'+d))
	}
	return b
}

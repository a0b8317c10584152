package view

import "sort"

// StatsPage is what became of everything that arrived.
type StatsPage struct {
	Path       string
	Range      string
	Ranges     []Link
	Project    string
	Projects   []Choice
	Category   string
	Categories []Choice
	Labels     []string // of the steps
	Bars       []StatsBar
	Rows       []StatsRow
	Storage    Storage
}

// StatsBar is one outcome over time; bars of several outcomes are stacked.
type StatsBar struct {
	Outcome string // the protocol's word
	Counts  []int64
	Total   int64
}

// StatsRow is one line of the table.
type StatsRow struct {
	Project, Key, Category, Outcome, Reason string
	Count                                   int64
}

// Storage is what is kept.
type Storage struct {
	DatabaseBytes int64
	EventBytes    int64
	Days          int
	PerDay        int64 // bytes of events of an average day of the last week; 0: nobody knows yet
}

// outcomeOrder stacks outcomes from the ground up.
var outcomeOrder = map[string]int{"accepted": 0, "client_discard": 1, "filtered": 2, "rate_limited": 3, "invalid": 4}

// Add counts items of one step.
func (v *StatsPage) Add(outcome string, step, steps int, n int64) {
	if step < 0 || step >= steps {
		return
	}
	i := sort.Search(len(v.Bars), func(i int) bool { return rank(v.Bars[i].Outcome) >= rank(outcome) })
	if i == len(v.Bars) || v.Bars[i].Outcome != outcome {
		v.Bars = append(v.Bars, StatsBar{})
		copy(v.Bars[i+1:], v.Bars[i:])
		v.Bars[i] = StatsBar{Outcome: outcome, Counts: make([]int64, steps)}
	}
	v.Bars[i].Counts[step] += n
	v.Bars[i].Total += n
}

func rank(outcome string) int {
	if r, ok := outcomeOrder[outcome]; ok {
		return r
	}
	return len(outcomeOrder)
}

// Total is all that the table shows.
func (v *StatsPage) Total() (n int64) {
	for _, r := range v.Rows {
		n += r.Count
	}
	return n
}

// stackedPath draws one outcome's bars on those below it, in a box of the given size.
func (v *StatsPage) stackedPath(at int, width, height float64) string {
	var top int64
	steps := len(v.Labels)
	sums := make([]int64, steps)
	below := make([]int64, steps)
	for i := range v.Bars {
		for k, n := range v.Bars[i].Counts {
			if i < at {
				below[k] += n
			}
			sums[k] += n
			top = max(top, sums[k])
		}
	}
	if top == 0 {
		return ""
	}
	step := width / float64(steps)
	var b []byte
	for k, n := range v.Bars[at].Counts {
		if n == 0 {
			continue
		}
		base := height - float64(below[k])/float64(top)*height
		h := max(float64(n)/float64(top)*height, 1)
		b = append(b, 'M')
		b = number(b, float64(k)*step)
		b = append(b, ' ')
		b = number(b, max(0, base-h))
		b = append(b, 'h')
		b = number(b, step-2)
		b = append(b, 'v')
		b = number(b, h)
		b = append(b, 'h', '-')
		b = number(b, step-2)
		b = append(b, 'z')
	}
	return string(b)
}

// stepWords tells one step of the chart.
func (v *StatsPage) stepWords(k int) string {
	s := v.Labels[k]
	for i := range v.Bars {
		if n := v.Bars[i].Counts[k]; n > 0 {
			s += "\n" + Long(n) + " " + words(v.Bars[i].Outcome)
		}
	}
	return s
}

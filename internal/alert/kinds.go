package alert

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/search"
)

// kind is what one Kind means.
type kind struct {
	trigger bool // about what happened; otherwise about how things are
	counts  bool // a trigger of further events alone
	check   func(*Clause) error
	holds   func(*term, *Facts) Truth
	needs   func(*Clause, *Rule, *Needs)
}

// kinds is every kind of clause. It is set in init, because nested clauses refer to it.
var kinds map[Kind]kind

func init() {
	on := func(kinds ...issue.ChangeKind) func(*term, *Facts) Truth {
		return func(_ *term, f *Facts) Truth { return truth(slices.Contains(kinds, f.Change.Kind)) }
	}
	needIssue := func(_ *Clause, _ *Rule, n *Needs) { n.Issue = true }
	needEvent := func(_ *Clause, _ *Rule, n *Needs) { n.Event = true }
	kinds = map[Kind]kind{
		KindEvent:           {trigger: true, counts: true, holds: holdsEvent},
		KindNew:             {trigger: true, holds: holdsNew},
		KindRegressed:       {trigger: true, holds: holdsRegressed},
		KindReappeared:      {trigger: true, holds: holdsReappeared},
		KindEscalating:      {trigger: true, holds: holdsEscalating},
		KindResolved:        {trigger: true, holds: on(issue.ChangeResolved)},
		KindAssigned:        {trigger: true, holds: on(issue.ChangeAssigned)},
		KindCommented:       {trigger: true, holds: on(issue.ChangeCommented)},
		KindNewHigh:         {trigger: true, holds: holdsNewHigh, needs: needIssue},
		KindExistingHigh:    {trigger: true, holds: holdsExistingHigh, needs: needIssue},
		KindEvents:          {trigger: true, counts: true, check: checkCount, holds: holdsCount, needs: needCount},
		KindUsers:           {trigger: true, counts: true, check: checkCount, holds: holdsCount, needs: needCount},
		KindUsersFiltered:   {trigger: true, counts: true, check: checkCount, holds: holdsCount, needs: needCount},
		KindNth:             {trigger: true, counts: true, check: checkNumber(1), holds: holdsNth, needs: needIssue},
		KindNewRelease:      {trigger: true, holds: holdsNewRelease},
		KindNewEnvironment:  {trigger: true, holds: holdsNewEnvironment},
		KindPriorityChanged: {trigger: true, check: checkPriority, holds: holdsPriorityChanged, needs: needIssue},

		KindAge:           {check: checkAge, holds: holdsAge, needs: needIssue},
		KindTimesSeen:     {check: checkNumber(1), holds: holdsTimesSeen, needs: needIssue},
		KindUsersSeen:     {check: checkNumber(1), holds: holdsUsersSeen, needs: needIssue},
		KindAssignedTo:    {check: checkAssignee, holds: holdsAssignedTo, needs: needIssue},
		KindLevel:         {check: checkLevel, holds: holdsLevel, needs: needEvent},
		KindPriority:      {check: checkPriority, holds: holdsPriority, needs: needIssue},
		KindCategory:      {check: checkNumber(0), holds: holdsCategory, needs: needIssue},
		KindTag:           {check: checkTag, holds: holdsTag, needs: needEvent},
		KindAttribute:     {check: checkAttribute, holds: holdsAttribute, needs: needEvent},
		KindLatestRelease: {holds: holdsLatestRelease, needs: needLatest},
		KindReleaseAge:    {check: checkReleaseAge, holds: holdsReleaseAge, needs: needReleaseAge},
		KindEnvironment:   {check: checkText, holds: holdsEnvironment, needs: needEvent},
		KindQuery:         {check: checkQuery, holds: holdsQuery, needs: func(c *Clause, _ *Rule, n *Needs) { n.Queries = append(n.Queries, c.Value) }},
	}
}

// kindNames lists kinds in the order of their names: all, or those that filters may be.
func kindNames(filters bool) []Kind {
	return slices.SortedFunc(maps.Keys(kinds), func(a, b Kind) int {
		return cmp.Or(-boolCompare(kinds[a].trigger, kinds[b].trigger), cmp.Compare(a, b))
	})[map[bool]int{true: triggerCount(), false: 0}[filters]:]
}

func triggerCount() (n int) {
	for _, k := range kinds {
		if k.trigger {
			n++
		}
	}
	return n
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// IsTrigger reports whether the kind is about what happened, and so cannot be a filter.
func (k Kind) IsTrigger() bool { return kinds[k].trigger }

// Kinds lists the kinds of conditions (true) or filters.
func Kinds(triggers bool) []Kind {
	all := kindNames(false)
	if triggers {
		return all[:triggerCount()]
	}
	return all[triggerCount():]
}

func checkNumber(least float64) func(*Clause) error {
	return func(c *Clause) error {
		n, err := strconv.ParseFloat(c.Value, 64)
		if err != nil || n < least || n > 1e12 || n != float64(int64(n)) {
			return fault.New(fault.Invalid, "the value of %q is a whole number from %v", c.Kind, least)
		}
		return nil
	}
}

func checkCount(c *Clause) error {
	n, err := strconv.ParseFloat(c.Value, 64)
	if err != nil || !(n >= 0 && n <= 1e12) { // nor is it NaN
		return fault.New(fault.Invalid, "the value of %q is a number from 0", c.Kind)
	}
	if windows[c.Interval] == 0 {
		return fault.New(fault.Invalid, "the interval of %q is one of 1m, 5m, 15m, 30m, 1h, 1d, 1w, 30d", c.Kind)
	}
	if c.Compare && windows[c.Shift] == 0 {
		return fault.New(fault.Invalid, "the interval that %q compares with is one of 5m, 15m, 1h, 1d, 1w, 30d", c.Kind)
	}
	if !c.Compare && n != float64(int64(n)) {
		return fault.New(fault.Invalid, "the value of %q is a whole number", c.Kind)
	}
	return nil
}

func checkPriority(c *Clause) error {
	return known("priority", c.Value, []string{"low", "medium", "high"})
}

func checkAge(c *Clause) error {
	if err := known("comparison", c.Match, []Operator{OpOlder, OpNewer}); err != nil {
		return err
	}
	if err := checkNumber(0)(c); err != nil {
		return err
	}
	return known("unit", c.Interval, []string{"minute", "hour", "day", "week"})
}

func checkAssignee(c *Clause) error {
	if c.Value != "nobody" && !isActor(c.Value) {
		return fault.New(fault.Invalid, `the value of %q is "nobody", "user:" or "team:" with an id`, c.Kind)
	}
	return nil
}

func checkLevel(c *Clause) error {
	if err := known("level", c.Value, levels); err != nil {
		return err
	}
	if c.Match == "" {
		return nil
	}
	return known("match", c.Match, []Operator{OpEqual, OpAtLeast, OpAtMost})
}

func checkTag(c *Clause) error {
	if c.Key == "" {
		return fault.New(fault.Invalid, "a filter on a tag names its key")
	}
	return checkMatch(c)
}

func checkMatch(c *Clause) error {
	if err := known("match", c.Match, textOperators); err != nil {
		return err
	}
	if c.Value == "" && c.Match != OpSet && c.Match != OpNotSet {
		return fault.New(fault.Invalid, "the value of filter %q has 1 to %d bytes", c.Kind, maxValueBytes)
	}
	return nil
}

func checkAttribute(c *Clause) error {
	if err := known("attribute", c.Key, attributeNames); err != nil {
		return err
	}
	return checkMatch(c)
}

func checkReleaseAge(c *Clause) error {
	if err := known("release", c.Key, []string{"oldest", "newest"}); err != nil {
		return err
	}
	return known("comparison", c.Match, []Operator{OpOlder, OpNewer})
}

func checkText(c *Clause) error {
	if c.Value == "" {
		return fault.New(fault.Invalid, "the value of filter %q has 1 to %d bytes", c.Kind, maxValueBytes)
	}
	return nil
}

func checkQuery(c *Clause) error {
	if _, err := search.Parse(c.Value); err != nil {
		return fault.New(fault.Invalid, "the query of a filter: %s", err.Error())
	}
	return checkText(c)
}

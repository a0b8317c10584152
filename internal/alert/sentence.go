package alert

import (
	"strconv"
	"strings"
	"time"
)

// Sentence says in words when the rule fires. It names no destinations.
func (r *Rule) Sentence() string {
	joint := map[Match]string{MatchAny: " or ", MatchAll: " and ", MatchNone: " nor "}
	var when []string
	for i := range r.Conditions {
		when = append(when, r.Conditions[i].Sentence())
	}
	s := "An event is seen"
	if len(when) > 0 {
		s = strings.Join(when, joint[r.Match])
		if r.Match == MatchNone {
			s = "neither " + s
		}
		s = strings.ToUpper(s[:1]) + s[1:]
	}
	var only []string
	for i := range r.Filters {
		only = append(only, r.Filters[i].Sentence())
	}
	if len(only) > 0 {
		match := r.FilterMatch
		if match == "" {
			match = MatchAll
		}
		s += map[Match]string{MatchAny: ", if ", MatchAll: ", if ", MatchNone: ", unless "}[match]
		if match == MatchNone {
			match = MatchAny
		}
		s += strings.Join(only, joint[match])
	}
	if r.Environment != "" {
		s += ", in " + r.Environment
	}
	if r.Frequency > 0 {
		s += "; at most once every " + Words(r.Frequency) + " per issue"
	}
	return s
}

// Happening says in a few words what further events of an issue amount to, when the rule asks one thing
// of them: "more than 100 events in an hour". It is empty of a rule that asks of each event, or of several
// things, and does not say which.
func (r *Rule) Happening() string {
	if len(r.Conditions) != 1 || r.Match == MatchNone {
		return ""
	}
	switch c := &r.Conditions[0]; c.Kind {
	case KindEvents, KindUsers, KindUsersFiltered:
		noun := map[bool]string{true: "events", false: "users"}[c.Kind == KindEvents]
		window := article(Words(windows[c.Interval]))
		if c.Compare {
			return "more than " + c.Value + " % more " + noun + " in " + window + " than the " + Words(windows[c.Shift]) + " before"
		}
		return "more than " + c.Value + " " + noun + " in " + window
	case KindNth:
		return "another " + c.Value + " events"
	}
	return ""
}

// Words is a duration as people say it.
func Words(d time.Duration) string {
	for _, u := range []struct {
		of   time.Duration
		name string
	}{{7 * 24 * time.Hour, "week"}, {24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if d >= u.of && d%u.of == 0 {
			n := int64(d / u.of)
			if n == 1 {
				return u.name
			}
			return strconv.FormatInt(n, 10) + " " + u.name + "s"
		}
	}
	return d.String()
}

// plainSentences are the kinds that say all by themselves.
var plainSentences = map[Kind]string{
	KindEvent: "an event is seen", KindNew: "an issue is new", KindRegressed: "a resolved issue comes back", KindReappeared: "an archived issue comes back",
	KindEscalating: "an issue escalates", KindResolved: "an issue is resolved", KindAssigned: "an issue is assigned", KindCommented: "somebody comments",
	KindNewHigh: "an issue of high priority is new", KindExistingHigh: "an issue becomes one of high priority",
	KindNewRelease: "an issue spreads to a new release", KindNewEnvironment: "an issue spreads to a new environment",
	KindLatestRelease: "the event is of the latest release",
}

// operatorWords are the comparisons in words.
var operatorWords = map[Operator]string{
	OpContains: "contains", OpNotContains: "does not contain", OpEqual: "is", OpNotEqual: "is not", OpStarts: "starts with",
	OpNotStarts: "does not start with", OpEnds: "ends with", OpNotEnds: "does not end with", OpSet: "is set", OpNotSet: "is not set",
	OpIn: "is one of", OpNotIn: "is none of",
}

// OperatorWords is the comparison in words.
func OperatorWords(o Operator) string { return operatorWords[o] }

// TextOperators lists the comparisons of tags and attributes.
func TextOperators() []Operator { return textOperators }

// Sentence says in words what the clause asks.
func (c *Clause) Sentence() string {
	if s, ok := plainSentences[c.Kind]; ok {
		return s
	}
	quoted := "“" + c.Value + "”"
	switch c.Kind {
	case KindEvents, KindUsers, KindUsersFiltered:
		return c.countSentence()
	case KindNth:
		return "it is the issue's " + ordinal(c.Value) + " event, " + "or a multiple"
	case KindPriorityChanged:
		return "an issue's priority becomes " + c.Value + " or higher"
	case KindAge:
		return "the issue is " + string(c.Match) + " than " + plural(c.Value, c.Interval)
	case KindTimesSeen:
		return "the issue was seen " + plural(c.Value, "time") + " or more"
	case KindUsersSeen:
		return "the issue hit " + plural(c.Value, "user") + " or more"
	case KindAssignedTo:
		if c.Value == "nobody" {
			return "nobody is assigned"
		}
		return "it is assigned to " + strings.Replace(c.Value, ":", " ", 1)
	case KindLevel:
		switch c.Match {
		case OpEqual:
			return "the level is " + c.Value
		case OpAtMost:
			return "the level is " + c.Value + " or lower"
		}
		return "the level is " + c.Value + " or higher"
	case KindPriority:
		return "the priority is " + c.Value + " or higher"
	case KindCategory:
		return "the issue is of category " + c.Value
	case KindTag, KindAttribute:
		subject := c.Key
		if c.Kind == KindTag {
			subject = "tag " + c.Key
		}
		if c.Match == OpSet || c.Match == OpNotSet {
			return subject + " " + operatorWords[c.Match]
		}
		return subject + " " + operatorWords[c.Match] + " " + quoted
	case KindReleaseAge:
		return "the issue's " + c.Key + " release is " + string(c.Match) + " than the latest one of " + c.Value
	case KindEnvironment:
		return "the environment is " + c.Value
	case KindQuery:
		return "the issue is found by " + quoted
	}
	return string(c.Kind)
}

// article puts "a" or "an" before one hour or day, nothing before several.
func article(window string) string {
	switch {
	case window[0] >= '0' && window[0] <= '9':
		return window
	case window == "hour":
		return "an hour"
	}
	return "a " + window
}

func (c *Clause) countSentence() string {
	noun := "events"
	if c.Kind != KindEvents {
		noun = "users"
	}
	window := Words(windows[c.Interval])
	if c.Compare {
		return noun + " of an issue in " + article(window) + " rise by more than " + c.Value + " % over the " + Words(windows[c.Shift]) + " before"
	}
	s := "an issue has more than " + c.Value + " " + noun + " in " + article(window)
	if len(c.Clauses) > 0 {
		var only []string
		for i := range c.Clauses {
			only = append(only, c.Clauses[i].Sentence())
		}
		s += " (" + strings.Join(only, " and ") + ")"
	}
	return s
}

func plural(n, noun string) string {
	if n == "1" {
		return "1 " + noun
	}
	return n + " " + noun + "s"
}

func ordinal(n string) string {
	switch {
	case strings.HasSuffix(n, "11") || strings.HasSuffix(n, "12") || strings.HasSuffix(n, "13"):
		return n + "th"
	case strings.HasSuffix(n, "1"):
		return n + "st"
	case strings.HasSuffix(n, "2"):
		return n + "nd"
	case strings.HasSuffix(n, "3"):
		return n + "rd"
	}
	return n + "th"
}

package grouping

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

// TransitionPeriod is how long the hashes of the version before are looked up after an upgrade.
// Rule: getsentry/sentry src/sentry/grouping/ingest/config.py
const TransitionPeriod = 30 * 24 * time.Hour

// Settings are how a project groups. The zero value is how a new project does.
type Settings struct {
	// Config is the version in force; empty: the newest. A version that a member chose is Pinned,
	// any other gives way to a newer one when there is one.
	Config string `json:"config,omitempty"`
	Pinned bool   `json:"pinned,omitempty"`
	// Secondary is the version that was in force before: until the given time its hashes find
	// their issues too.
	Secondary      string    `json:"secondary,omitempty"`
	SecondaryUntil time.Time `json:"secondary_until,omitzero"`
	Fingerprints   string    `json:"fingerprints,omitempty"` // text of FingerprintRules
	Enhancements   string    `json:"enhancements,omitempty"` // text of Enhancements
}

// ReadSettings reads what a project stores; nothing is the zero value.
func ReadSettings(stored json.RawMessage) (s Settings, err error) {
	if len(stored) == 0 {
		return s, nil
	}
	if err := json.Unmarshal(stored, &s); err != nil {
		return s, fault.Wrap(err, fault.Internal, "read grouping settings")
	}
	return s, nil
}

// Version is the version in force.
func (s Settings) Version() string {
	if s.Config == "" {
		return Newest().ID
	}
	return s.Config
}

// Validate checks that everything can be used. fault.Invalid, fault.TooLarge: what cannot, with
// line and column when it is in a rule; see PositionOf.
func (s Settings) Validate() error {
	for _, id := range []string{s.Version(), s.Secondary} {
		if _, known := ByID(id); !known && id != "" {
			return fault.New(fault.Invalid, "%q is no version of grouping; %s and %s are", clip(id), Newstyle2026, Newstyle2023)
		}
	}
	if _, err := ParseFingerprintRules(s.Fingerprints); err != nil {
		return err
	}
	_, err := ParseEnhancements(s.Enhancements)
	return err
}

// Move puts another version in force. The one before stays known for TransitionPeriod, so that no
// issue starts anew.
func (s *Settings) Move(version string, now time.Time) {
	if before := s.Version(); before != version {
		s.Secondary, s.SecondaryUntil = before, now.Add(TransitionPeriod).UTC().Truncate(time.Second)
	}
	s.Config = version
}

// Upgrade makes the newest version of the algorithm the one in force, unless a member chose
// another, forgets a transition that is over, and reports whether anything changed. It also notes
// the version of a project that never said one, so that a later release knows where it comes from.
func (s *Settings) Upgrade(now time.Time) bool {
	before := *s
	if newest := Newest().ID; s.Config == "" {
		s.Config = newest
	} else if s.Config != newest && !s.Pinned {
		s.Move(newest, now)
	}
	if s.Secondary != "" && now.After(s.SecondaryUntil) {
		s.Secondary, s.SecondaryUntil = "", time.Time{}
	}
	return *s != before
}

// Digest names the rule texts in few characters; empty when there are no rules.
func (s Settings) Digest() string {
	if s.Fingerprints == "" && s.Enhancements == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(s.Fingerprints + "\x00" + s.Enhancements))
	return hex.EncodeToString(sum[:8])
}

// GroupedBy is what events say of how they were grouped: the version, and the digest of the rules
// if there are any.
func (s Settings) GroupedBy() string {
	if d := s.Digest(); d != "" {
		return s.Version() + "+" + d
	}
	return s.Version()
}

// ReadGroupedBy splits what an event says into version and digest.
func ReadGroupedBy(text string) (version, digest string) {
	version, digest, _ = strings.Cut(text, "+")
	return version, digest
}

// Plan is settings ready for use. It is safe for concurrent use.
type Plan struct {
	primary, secondary *Grouper
	until              time.Time
	groupedBy          string
	problem            string
}

// Compile makes a plan of settings. Rules that cannot be used are left out, and each event says so
// in a processing error: no event is lost over a rule.
func Compile(s Settings) *Plan {
	var problems []string
	prints, err := ParseFingerprintRules(s.Fingerprints)
	if err != nil {
		problems = append(problems, "fingerprint rules: "+fault.Public(err))
	}
	enhancements, err := ParseEnhancements(s.Enhancements)
	if err != nil {
		problems = append(problems, "stack-trace rules: "+fault.Public(err))
	}
	version, known := ByID(s.Version())
	if !known {
		version = Newest()
		problems = append(problems, "unknown version "+clip(s.Config))
	}
	rules := Rules{Enhancements: enhancements, Fingerprints: prints}
	p := &Plan{primary: New(version, rules), groupedBy: s.GroupedBy(), problem: strings.Join(problems, "; ")}
	if before, known := ByID(s.Secondary); known && before.ID != version.ID {
		p.secondary, p.until = New(before, rules), s.SecondaryUntil
	}
	return p
}

// Errors that grouping notes in an event.
const (
	ErrorRules = "grouping_rules_unusable" // a rule of the project cannot be compiled
	ErrorChain = "exception_group_invalid" // parents and ids of exceptions contradict each other
	ErrorStack = "stacktrace_shortened"    // it had more frames than are kept; the value is how many
)

// Assign computes the hashes of an event under the version in force and, while the project is on
// its way from another, under that one. It notes in the event what it could not do.
func (p *Plan) Assign(ev *event.Event, now time.Time) Result {
	var secondary []Hash
	if p.secondary != nil && now.Before(p.until) {
		secondary = p.secondary.Assign(ev).Hashes
	}
	r := p.primary.Assign(ev)
	r.Secondary = secondary
	ev.GroupedBy = p.groupedBy
	if p.problem != "" {
		ev.Note(event.ProcessingError{Type: ErrorRules, Name: "fingerprint", Value: event.TextValue(p.problem)})
	}
	if brokenChain(ev) {
		ev.Note(event.ProcessingError{Type: ErrorChain, Name: "exception"})
	}
	for path, remarks := range ev.Meta {
		if remarks.Length > 0 && strings.HasSuffix(path, "stacktrace.frames") {
			ev.Note(event.ProcessingError{Type: ErrorStack, Name: path, Value: event.Value(strconv.Itoa(remarks.Length))})
		}
	}
	return r
}

// Explain is what Grouper.Explain says under the version in force.
func (p *Plan) Explain(ev *event.Event) Explanation { return p.primary.Explain(ev) }

package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// ImportCmd groups the commands that take over what another installation holds.
type ImportCmd struct {
	Sentry    ImportSentry    `cmd:"" help:"From Sentry: projects with their keys, issues with status and counts, alert rules."`
	GlitchTip ImportGlitchTip `cmd:"" name:"glitchtip" help:"From GlitchTip: the same."`
	Bugsink   ImportBugsink   `cmd:"" help:"From Bugsink: projects with their keys, issues with status and counts."`
}

// Import is what every import asks for, beside where the installation is that takes over.
type Import struct {
	Server
	From      string   `required:"" help:"Address of the installation to take over."`
	FromToken string   `required:"" help:"API token for it; read-only scopes suffice." env:"TOCSIN_FROM_TOKEN"`
	Project   []string `help:"Only these projects, by slug."`
	Issues    int      `help:"How many issues of each project, last seen first; 0 is none." default:"1000"`
	DryRun    bool     `help:"Report what would be done, and do nothing."`
	State     string   `help:"File that remembers what is done, so that an import that broke off goes on where it was." default:"tocsin-import.json" type:"path"`
}

// ImportSentry is tocsin import sentry.
type ImportSentry struct {
	Import
	FromOrg string `required:"" help:"Organization there, by slug."`
}

// Run implements the command.
func (i *ImportSentry) Run(ctx context.Context, out io.Writer) error {
	c, err := NewClient(i.From, i.FromToken, i.FromOrg)
	if err != nil {
		return err
	}
	return i.run(ctx, out, &sentrySource{c})
}

// ImportGlitchTip is tocsin import glitchtip.
type ImportGlitchTip struct {
	Import
	FromOrg string `required:"" help:"Organization there, by slug."`
}

// Run implements the command.
func (i *ImportGlitchTip) Run(ctx context.Context, out io.Writer) error {
	c, err := NewClient(i.From, i.FromToken, i.FromOrg)
	if err != nil {
		return err
	}
	return i.run(ctx, out, &sentrySource{c}) // its API has Sentry's shapes
}

// ImportBugsink is tocsin import bugsink.
type ImportBugsink struct{ Import }

// Run implements the command.
func (i *ImportBugsink) Run(ctx context.Context, out io.Writer) error {
	c, err := NewClient(i.From, i.FromToken, "")
	if err != nil {
		return err
	}
	return i.run(ctx, out, &bugsinkSource{c})
}

// source is an installation to take over.
type source interface {
	projects(ctx context.Context) ([]foreignProject, error)
	// issues calls f for the issues of a project, last seen first, until f returns false.
	issues(ctx context.Context, p foreignProject, limit int, f func(foreignIssue) (bool, error)) error
	// event is the payload of an event of the issue, as an SDK sent it; nil: it is gone.
	event(ctx context.Context, p foreignProject, i foreignIssue) (map[string]any, error)
	// rules are the alert rules of a project, in Sentry's shape.
	rules(ctx context.Context, p foreignProject) ([]map[string]any, error)
}

type foreignProject struct {
	ID, Slug, Name, Platform string
	Keys                     []foreignKey
}

type foreignKey struct {
	Public string `json:"public"`
	Secret string `json:"secret,omitempty"`
	Label  string `json:"label"`
	Active bool   `json:"active"`
}

type foreignIssue struct {
	ID, ShortID, Title  string
	Status              string // resolved, unresolved, ignored
	FirstSeen, LastSeen time.Time
	Count, Users        int64
	AssignedTo          string // address
}

// report is what an import did, and what it could not do.
type report struct {
	DryRun   bool            `json:"dryRun"`
	Projects []projectReport `json:"projects"`
}

type projectReport struct {
	Slug     string   `json:"slug"`
	From     string   `json:"fromId"`
	ID       string   `json:"id,omitempty"`
	Keys     int      `json:"keys"`
	Issues   int      `json:"issues"`
	Before   int      `json:"doneBefore"`
	Gone     int      `json:"withoutEvent"`
	Rules    int      `json:"rules"`
	Problems []string `json:"problems"`
}

func (r *projectReport) problem(format string, args ...any) {
	if len(r.Problems) < 100 {
		r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
	}
}

// state remembers what is done, by the names the other installation gives things.
type state struct {
	From     string            `json:"from"`
	Projects map[string]string `json:"projects"` // id there: slug here
	Issues   map[string]string `json:"issues"`   // id there: id here, "-" when its event is gone
	Rules    map[string]string `json:"rules"`
	file     string
}

func openState(file, from string) (*state, error) {
	s := &state{From: from, Projects: map[string]string{}, Issues: map[string]string{}, Rules: map[string]string{}, file: file}
	raw, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, s)
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the state in %s cannot be read", file)
	}
	if s.From != from {
		return nil, fault.New(fault.Invalid, "%s is the state of an import from %s; name another file with --state", file, s.From)
	}
	return s, nil
}

func (s *state) save() error {
	raw, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.file+".new", raw, 0o600); err != nil {
		return err
	}
	return os.Rename(s.file+".new", s.file)
}

// importer carries one import out.
type importer struct {
	*Import
	from source
	to   *Client
	done *state
}

func (i *Import) run(ctx context.Context, out io.Writer, from source) error {
	to, err := i.Client()
	if err != nil {
		return err
	}
	done, err := openState(i.State, i.From)
	if err != nil {
		return err
	}
	m := &importer{i, from, to, done}
	list, err := from.projects(ctx)
	if err != nil {
		return fmt.Errorf("list the projects of %s: %w", i.From, err)
	}
	rep := report{DryRun: i.DryRun, Projects: []projectReport{}}
	for _, p := range list {
		if len(i.Project) > 0 && !slices.Contains(i.Project, p.Slug) {
			continue
		}
		r := projectReport{Slug: p.Slug, From: p.ID, Keys: len(p.Keys), Problems: []string{}}
		if err = m.project(ctx, p, &r); err != nil {
			r.problem("broke off: %v", err)
		}
		rep.Projects = append(rep.Projects, r)
		if err != nil {
			break
		}
	}
	if printErr := i.print(out, rep, func(w io.Writer) error { return rep.text(w) }); printErr != nil {
		return printErr
	}
	return err
}

func (r report) text(w io.Writer) error {
	verb := "took over"
	if r.DryRun {
		verb = "would take over"
	}
	for _, p := range r.Projects {
		if _, err := fmt.Fprintf(w, "%s: %s %d keys, %d issues (%d before, %d whose event is gone), %d alert rules\n", p.Slug, verb, p.Keys, p.Issues, p.Before, p.Gone, p.Rules); err != nil {
			return err
		}
		for _, text := range p.Problems {
			if _, err := fmt.Fprintf(w, "  ! %s\n", plain(text, 300)); err != nil {
				return err
			}
		}
	}
	return nil
}

// project takes one project over: itself, then its issues, then its rules.
func (m *importer) project(ctx context.Context, p foreignProject, r *projectReport) error {
	key := ""
	for _, k := range p.Keys {
		if k.Active {
			key = k.Public
			break
		}
	}
	if !m.DryRun {
		made, err := m.to.importProject(ctx, p)
		if err != nil {
			return fmt.Errorf("project %s: %w", p.Slug, err)
		}
		r.ID, r.Problems = made.ID, append(r.Problems, made.Problems...)
		if key == "" && len(made.Keys) > 0 {
			key = made.Keys[0]
		}
		m.done.Projects[p.ID] = p.Slug
		if err := m.done.save(); err != nil {
			return err
		}
	}
	if err := m.issues(ctx, p, key, r); err != nil {
		return err
	}
	return m.rules(ctx, p, r)
}

// batch is how many issues are sent before the events of all are waited for.
const batch = 25

func (m *importer) issues(ctx context.Context, p foreignProject, key string, r *projectReport) error {
	if m.Issues <= 0 {
		return nil
	}
	var waiting []sentIssue
	err := m.from.issues(ctx, p, m.Issues, func(i foreignIssue) (bool, error) {
		if m.done.Issues[i.ID] != "" {
			r.Before++
			return true, nil
		}
		if m.DryRun {
			r.Issues++
			return true, nil
		}
		payload, err := m.from.event(ctx, p, i)
		if err != nil && fault.KindOf(err) != fault.Unknown {
			return false, err
		}
		if payload == nil {
			r.Gone++
			r.problem("issue %s: its events are gone, so it cannot be grouped here", first(i.ShortID, i.ID))
			m.done.Issues[i.ID] = "-"
			return true, nil
		}
		id, err := m.to.sendEvent(ctx, r.ID, key, payload)
		if err != nil {
			return false, err
		}
		if waiting = append(waiting, sentIssue{i, id}); len(waiting) >= batch {
			err = m.settle(ctx, p, waiting, r)
			waiting = waiting[:0]
		}
		return true, err
	})
	if err != nil {
		return err
	}
	return m.settle(ctx, p, waiting, r)
}

type sentIssue struct {
	foreignIssue
	event string
}

// settleFor is how long an event may take to become an issue.
const settleFor = 2 * time.Minute

// settle waits until the events of a batch have become issues, and gives those their past.
func (m *importer) settle(ctx context.Context, p foreignProject, list []sentIssue, r *projectReport) error {
	if len(list) == 0 {
		return nil
	}
	deadline := time.Now().Add(settleFor)
	for left := list; len(left) > 0; {
		told, err := m.to.importIssues(ctx, p.Slug, left)
		if err != nil {
			return err
		}
		var again []sentIssue
		for _, i := range left {
			if id := told[i.event]; id != "" {
				m.done.Issues[i.ID] = id
				r.Issues++
			} else {
				again = append(again, i)
			}
		}
		left = again
		if len(left) > 0 && time.Now().After(deadline) {
			for _, i := range left {
				r.problem("issue %s: its event was not stored; filters or quotas of the project may have dropped it", first(i.ShortID, i.foreignIssue.ID))
			}
			break
		}
		if len(left) > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(300 * time.Millisecond):
			}
		}
	}
	return m.done.save()
}

func (m *importer) rules(ctx context.Context, p foreignProject, r *projectReport) error {
	list, err := m.from.rules(ctx, p)
	if err != nil {
		r.problem("alert rules could not be read: %v", err)
		return nil
	}
	for _, rule := range list {
		id := p.ID + "/" + fmt.Sprint(rule["id"])
		if m.done.Rules[id] != "" {
			continue
		}
		if m.DryRun {
			r.Rules++
			continue
		}
		made, err := m.to.createRule(ctx, p.Slug, rule)
		if err != nil {
			r.problem("alert rule %q does not map: %v", fmt.Sprint(rule["name"]), err)
			continue
		}
		r.Rules++
		m.done.Rules[id] = made
		if err := m.done.save(); err != nil {
			return err
		}
	}
	return nil
}

// statusOf reads a status in any of the words used for it.
func statusOf(text string) string {
	switch strings.ToLower(text) {
	case "resolved", "ignored", "unresolved":
		return strings.ToLower(text)
	case "muted", "archived":
		return "ignored"
	}
	return "unresolved"
}

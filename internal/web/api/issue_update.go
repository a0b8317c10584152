package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/httpx"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/job"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// update is the body of a change. Members that are null count as absent; those of unsupported are
// refused, since their change would be forgotten.
type update struct {
	Status        *string         `json:"status"`
	Substatus     *string         `json:"substatus"`
	StatusDetails *statusDetails  `json:"statusDetails"`
	AssignedTo    json.RawMessage `json:"assignedTo"`
	Priority      *string         `json:"priority"`
	Version       *int64          `json:"version"` // that the issue has, so that a stale view changes nothing
	statusDetails                 // also accepted at the top
	marks
	unsupported
}

type statusDetails struct {
	InRelease        *string        `json:"inRelease"`
	InNextRelease    *bool          `json:"inNextRelease"`
	IgnoreDuration   *int64         `json:"ignoreDuration"` // minutes
	IgnoreCount      *int64         `json:"ignoreCount"`
	IgnoreUserCount  *int64         `json:"ignoreUserCount"`
	IgnoreWindow     *int64         `json:"ignoreWindow"`     // minutes
	IgnoreUserWindow *int64         `json:"ignoreUserWindow"` // minutes
	SnoozeDuration   *int64         `json:"snoozeDuration"`   // the older name of IgnoreDuration
	InCommit         *commitDetails `json:"inCommit"`
	InUpcoming       *bool          `json:"inUpcomingRelease"` // the next one
}

type commitDetails struct {
	Commit     string `json:"commit"`
	Repository string `json:"repository"`
}

type unsupported struct {
	Merge        json.RawMessage `json:"merge"`
	Discard      json.RawMessage `json:"discard"`
	InboxDetails json.RawMessage `json:"inboxDetails"`
}

// given reports whether a member was sent with a value that asks for something.
func given(v json.RawMessage) bool {
	text := strings.TrimSpace(string(v))
	return text != "" && text != "null" && text != "{}"
}

func (u *update) checkSupported() error {
	for field, v := range map[string]json.RawMessage{"merge": u.Merge, "discard": u.Discard, "inboxDetails": u.InboxDetails} {
		if given(v) {
			return fieldError{field, "This field is not supported by this server."}
		}
	}
	return nil
}

// details are the status details; those under statusDetails win over those at the top.
func (u *update) details() statusDetails {
	if u.StatusDetails != nil {
		return *u.StatusDetails
	}
	return u.statusDetails
}

// The longest snooze, in minutes, and the largest count that lifts one.
const (
	maxSnooze       = 10 * 365 * 24 * 60
	maxSnoozeCount  = 1 << 40
	maxSnoozeWindow = int64(postgres.MaxWindow / time.Minute)
	maxWindowUsers  = 10_000 // are told apart within a window
)

// action is what the body asks for, in our words.
func (u *update) action(ctx context.Context, s *Service, r *request, now time.Time) (issue.Action, error) {
	var a issue.Action
	if err := u.checkSupported(); err != nil {
		return a, err
	}
	d := u.details()
	if u.Status != nil {
		word := *u.Status
		switch word {
		case "resolvedInNextRelease":
			word, d.InNextRelease = "resolved", new(true)
		case "muted":
			word = "ignored"
		}
		status, known := issue.ParseStatus(word)
		if !known {
			return a, fieldError{"status", strconv.Quote(cut(word)) + " is not a valid choice."}
		}
		a.Status = &status
	}
	if u.Substatus != nil {
		sub, known := issue.ParseSubstatus(*u.Substatus)
		if !known {
			return a, fieldError{"substatus", strconv.Quote(cut(*u.Substatus)) + " is not a valid choice."}
		}
		a.Substatus = &sub
	}
	if u.Priority != nil {
		p, known := issue.ParsePriority(*u.Priority)
		if !known {
			return a, fieldError{"priority", strconv.Quote(cut(*u.Priority)) + " is not a valid choice."}
		}
		a.Priority = &p
	}
	if u.Version != nil {
		a.Unless = *u.Version
	}
	if err := d.apply(&a, now); err != nil {
		return a, err
	}
	var err error
	a.Assignee, err = s.assignee(ctx, r, u.AssignedTo)
	return a, err
}

func cut(s string) string { return s[:min(len(s), 40)] }

// apply adds how far a resolution reaches, or when an archived issue comes back.
func (d statusDetails) apply(a *issue.Action, now time.Time) error {
	switch {
	case d.InNextRelease != nil && *d.InNextRelease, d.InUpcoming != nil && *d.InUpcoming:
		a.Resolution = &issue.Resolution{InNextRelease: true}
	case d.InRelease != nil && *d.InRelease != "":
		a.Resolution = &issue.Resolution{InRelease: *d.InRelease}
	case d.InCommit != nil:
		if d.InCommit.Commit == "" {
			return fieldError{"inCommit", "Name the commit, and its repository."}
		}
		a.Resolution = &issue.Resolution{InCommit: d.InCommit.Commit, Repository: d.InCommit.Repository}
	}
	if d.IgnoreDuration == nil {
		d.IgnoreDuration = d.SnoozeDuration
	}
	for _, f := range []struct {
		field string
		n     *int64
		most  int64
	}{{"ignoreDuration", d.IgnoreDuration, maxSnooze}, {"ignoreCount", d.IgnoreCount, maxSnoozeCount}, {"ignoreWindow", d.IgnoreWindow, maxSnoozeWindow},
		{"ignoreUserCount", d.IgnoreUserCount, maxSnoozeCount}, {"ignoreUserWindow", d.IgnoreUserWindow, maxSnoozeWindow}} {
		if f.n != nil && (*f.n < 0 || *f.n > f.most) {
			return fieldError{f.field, "Ensure this value is from 0 to " + strconv.FormatInt(f.most, 10) + "."}
		}
	}
	z := issue.Snooze{Count: value(d.IgnoreCount), UserCount: value(d.IgnoreUserCount), Window: value(d.IgnoreWindow), UserWindow: value(d.IgnoreUserWindow)}
	if z.UserWindow > 0 && z.UserCount > maxWindowUsers {
		return fieldError{"ignoreUserCount", "Ensure this value is at most 10000 when there is a window."}
	}
	if minutes := value(d.IgnoreDuration); minutes > 0 {
		until := now.Add(time.Duration(minutes) * time.Minute)
		z.Until = &until
	}
	if a.Substatus != nil && *a.Substatus == issue.UntilEscalating {
		z.Escalating = true
	}
	if z != (issue.Snooze{}) {
		a.Snooze = &z
	}
	return nil
}

func value(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}

// assignee reads who is to work on an issue: an id, user:id, an e-mail address or a name; empty or
// null for nobody. Nil when the member is absent.
func (s *Service) assignee(ctx context.Context, r *request, raw json.RawMessage) (*string, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var text string
	if string(raw) != "null" && json.Unmarshal(raw, &text) != nil {
		return nil, fieldError{"assignedTo", "Not a valid string."}
	}
	if slug, isTeam := strings.CutPrefix(text, "#"); isTeam || strings.HasPrefix(text, "team:") {
		t, err := s.Store.Team(ctx, r.org(), strings.TrimPrefix(slug, "team:"), 0)
		if err != nil {
			return nil, fieldError{"assignedTo", "Unknown actor input"}
		}
		return new("team:" + id(t.ID)), nil
	}
	number := strings.TrimPrefix(text, "user:")
	if _, err := strconv.ParseInt(number, 10, 64); err == nil {
		return new("user:" + number), nil
	}
	if text == "" {
		return &text, nil
	}
	members, err := s.Store.Members(ctx, r.org())
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		if strings.EqualFold(m.Email, text) || strings.EqualFold(m.Name, text) {
			return new("user:" + id(m.ID)), nil
		}
	}
	return nil, fieldError{"assignedTo", "Unknown actor input"}
}

// updateIssue answers PUT of one issue with the issue as it is then.
func (s *Service) updateIssue(w http.ResponseWriter, r *request) error {
	row, err := s.issueRow(r)
	if err != nil {
		return err
	}
	var u update
	if err := readBody(w, r, &u); err != nil {
		return err
	}
	if asked(u.Discard) {
		return s.discard(w, r, row)
	}
	u.Discard = nil
	a, err := u.action(r.Context(), s, r, time.Now().UTC())
	if err != nil {
		return err
	}
	a.Single = true
	rows, err := s.change(r, []int64{row.ID}, a)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return errNotFound()
	}
	setUndo(w, rows)
	if err := u.mark(r, s, rows); err != nil {
		return err
	}
	shape, err := s.issueDetail(r, rows[0])
	if err != nil {
		return err
	}
	return ok(w, shape)
}

// change does the action, and names the field when its value is refused.
func (s *Service) change(r *request, ids []int64, a issue.Action) ([]postgres.IssueRow, error) {
	rows, err := s.Store.ChangeIssues(r.Context(), r.org(), ids, a, r.who.UserID())
	return rows, refusedField(err)
}

// refusedField names the field of a change whose value is refused.
func refusedField(err error) error {
	if fault.KindOf(err) == fault.Invalid {
		switch text := fault.Public(err); {
		case strings.HasPrefix(text, "Cannot assign"):
			return fieldError{"assignedTo", text}
		case strings.HasPrefix(text, "substatus"):
			return fieldError{"substatus", text}
		case strings.HasPrefix(text, "Unable to find a release"):
			return detailError{"inRelease", text}
		case strings.HasPrefix(text, "Unable to find the given commit"):
			return detailError{"inCommit", text}
		}
	}
	return err
}

// updateIssues answers PUT of a list with what was changed, or 204 when nothing matched; 202 when a
// job changes them, since they are more than one request may change.
func (s *Service) updateIssues(w http.ResponseWriter, r *request) error {
	var u update
	if err := readBody(w, r, &u); err != nil {
		return err
	}
	switch {
	case asked(u.Discard):
		return s.discardIssues(w, r)
	case asked(u.Merge):
		return s.mergeIssues(w, r)
	}
	u.Merge, u.Discard = nil, nil
	a, err := u.action(r.Context(), s, r, time.Now().UTC())
	if err != nil {
		return err
	}
	q, err := s.issueQuery(r, time.Now())
	if err != nil {
		return err
	}
	ids, more, err := s.Store.IssueIDs(r.Context(), r.org(), q)
	switch {
	case err != nil:
		return err
	case more:
		return s.updateMany(w, r, q, &u, a)
	case len(ids) == 0:
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	rows, err := s.change(r, ids, a)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	setUndo(w, rows)
	if err := u.mark(r, s, rows); err != nil {
		return err
	}
	sh, err := s.newShaper(r, rows...)
	if err != nil {
		return err
	}
	shape, echo := sh.issue(&rows[0]), object{}
	u.echo(&rows[0], echo)
	if a.Status != nil || a.Substatus != nil {
		echo["status"], echo["substatus"], echo["statusDetails"] = shape.Status, shape.Substatus, shape.StatusDetails
	}
	if a.Assignee != nil {
		echo["assignedTo"] = shape.AssignedTo
	}
	if a.Priority != nil {
		echo["priority"] = shape.Priority
	}
	return ok(w, echo)
}

// updateMany starts the jobs of a change that is about more issues than one request changes.
func (s *Service) updateMany(w http.ResponseWriter, r *request, q postgres.IssueQuery, u *update, a issue.Action) error {
	switch {
	case q.IDs != nil:
		return fault.New(fault.TooLarge, "at most %d issues are named at once", postgres.MaxChanged)
	case a.Unless != 0:
		return fieldError{"version", "Issues of one version are no more than " + strconv.Itoa(postgres.MaxChanged) + ": name them by id."}
	case u.IsPublic != nil:
		return fieldError{"isPublic", "At most " + strconv.Itoa(postgres.MaxChanged) + " issues are shared at once: narrow the search."}
	}
	c := job.Change{Action: a, Seen: u.HasSeen, Bookmarked: u.IsBookmarked, Subscribed: u.IsSubscribed, Reviewed: u.Inbox != nil && !*u.Inbox}
	jobs, err := s.Store.StartUpdates(r.Context(), r.org(), q, c, r.who.UserID())
	if err != nil {
		return refusedField(err)
	}
	if len(jobs) == 0 { // they were changed in between
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	shapes, err := s.jobShapes(r, jobs)
	if err != nil {
		return err
	}
	r.audit.Target = "job " + strings.Join(jobIDs(jobs), ", ")
	r.audit.Text = "All issues that the search " + strconv.Quote(q.Query.String()) + " finds."
	w.Header().Set("Location", shapes[0]["url"].(string))
	return httpx.JSON(w, http.StatusAccepted, object{"jobs": shapes})
}

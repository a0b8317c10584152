package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
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
	statusDetails                 // also accepted at the top
	unsupported
}

type statusDetails struct {
	InRelease        *string         `json:"inRelease"`
	InNextRelease    *bool           `json:"inNextRelease"`
	IgnoreDuration   *int64          `json:"ignoreDuration"` // minutes
	IgnoreCount      *int64          `json:"ignoreCount"`
	IgnoreUserCount  *int64          `json:"ignoreUserCount"`
	IgnoreWindow     json.RawMessage `json:"ignoreWindow"`
	IgnoreUserWindow json.RawMessage `json:"ignoreUserWindow"`
	InCommit         json.RawMessage `json:"inCommit"`
	InUpcoming       json.RawMessage `json:"inUpcomingRelease"`
}

type unsupported struct {
	HasSeen        json.RawMessage `json:"hasSeen"`
	IsBookmarked   json.RawMessage `json:"isBookmarked"`
	IsSubscribed   json.RawMessage `json:"isSubscribed"`
	IsPublic       json.RawMessage `json:"isPublic"`
	Merge          json.RawMessage `json:"merge"`
	Discard        json.RawMessage `json:"discard"`
	Inbox          json.RawMessage `json:"inbox"`
	InboxDetails   json.RawMessage `json:"inboxDetails"`
	SnoozeDuration json.RawMessage `json:"snoozeDuration"`
}

// given reports whether a member was sent with a value that asks for something.
func given(v json.RawMessage) bool {
	text := strings.TrimSpace(string(v))
	return text != "" && text != "null" && text != "{}"
}

func (u *update) checkSupported() error {
	d := u.details()
	for field, v := range map[string]json.RawMessage{
		"hasSeen": u.HasSeen, "isBookmarked": u.IsBookmarked, "isSubscribed": u.IsSubscribed, "isPublic": u.IsPublic, "merge": u.Merge,
		"discard": u.Discard, "inbox": u.Inbox, "inboxDetails": u.InboxDetails, "snoozeDuration": u.SnoozeDuration,
		"inCommit": d.InCommit, "inUpcomingRelease": d.InUpcoming, "ignoreWindow": d.IgnoreWindow, "ignoreUserWindow": d.IgnoreUserWindow,
	} {
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
	maxSnooze      = 10 * 365 * 24 * 60
	maxSnoozeCount = 1 << 40
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
	if d.InNextRelease != nil && *d.InNextRelease {
		a.Resolution = &issue.Resolution{InNextRelease: true}
	} else if d.InRelease != nil && *d.InRelease != "" {
		a.Resolution = &issue.Resolution{InRelease: *d.InRelease}
	}
	for field, n := range map[string]*int64{"ignoreDuration": d.IgnoreDuration, "ignoreCount": d.IgnoreCount, "ignoreUserCount": d.IgnoreUserCount} {
		if n != nil && (*n < 0 || *n > maxSnoozeCount || field == "ignoreDuration" && *n > maxSnooze) {
			return fieldError{field, "Ensure this value is within its limits."}
		}
	}
	z := issue.Snooze{Count: value(d.IgnoreCount), UserCount: value(d.IgnoreUserCount)}
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
	shape, err := s.issueDetail(r, rows[0])
	if err != nil {
		return err
	}
	return ok(w, shape)
}

// change does the action, and names the field when its value is refused.
func (s *Service) change(r *request, ids []int64, a issue.Action) ([]postgres.IssueRow, error) {
	rows, err := s.Store.ChangeIssues(r.Context(), r.org(), ids, a, r.who.UserID())
	if fault.KindOf(err) == fault.Invalid {
		switch text := fault.Public(err); {
		case strings.HasPrefix(text, "Cannot assign"):
			return nil, fieldError{"assignedTo", text}
		case strings.HasPrefix(text, "substatus"):
			return nil, fieldError{"substatus", text}
		}
	}
	return rows, err
}

// updateIssues answers PUT of a list with what was changed, or 204 when nothing matched.
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
	ids, err := s.selectIssues(r)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
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
	sh, err := s.newShaper(r, rows...)
	if err != nil {
		return err
	}
	shape, echo := sh.issue(&rows[0]), object{}
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

// selectIssues finds the issues that a bulk change is about, at most as many as one may name.
func (s *Service) selectIssues(r *request) ([]int64, error) {
	q, err := s.issueQuery(r, time.Now())
	if err != nil {
		return nil, err
	}
	q.Cursor, q.Limit = "", maxPerPage
	var ids []int64
	for len(ids) < postgres.MaxChanged {
		page, err := s.Store.ListIssues(r.Context(), r.org(), q)
		if err != nil {
			return nil, err
		}
		for i := range page.Rows {
			ids = append(ids, page.Rows[i].ID)
		}
		if !page.HasNext {
			break
		}
		q.Cursor = page.Next
	}
	return ids, nil
}

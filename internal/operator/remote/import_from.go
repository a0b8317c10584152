package remote

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// sentrySource is an installation with Sentry's API: Sentry or GlitchTip.
type sentrySource struct{ *Client }

func (s *sentrySource) projects(ctx context.Context) (list []foreignProject, err error) {
	type row struct {
		ID       string  `json:"id"`
		Slug     string  `json:"slug"`
		Name     string  `json:"name"`
		Platform *string `json:"platform"`
	}
	err = Each(ctx, s.Client, s.OrgPath("projects/"), nil, 0, func(p row) (bool, error) {
		f := foreignProject{ID: p.ID, Slug: p.Slug, Name: p.Name}
		if p.Platform != nil {
			f.Platform = *p.Platform
		}
		type key struct {
			Public   string `json:"public"`
			Secret   string `json:"secret"`
			ID       string `json:"id"`
			Label    string `json:"label"`
			Name     string `json:"name"`
			IsActive *bool  `json:"isActive"`
		}
		err := Each(ctx, s.Client, s.ProjectPath(p.Slug, "keys/"), nil, 0, func(k key) (bool, error) {
			f.Keys = append(f.Keys, foreignKey{strings.ReplaceAll(first(k.Public, k.ID), "-", ""), strings.ReplaceAll(k.Secret, "-", ""), first(k.Label, k.Name), k.IsActive == nil || *k.IsActive})
			return true, nil
		})
		list = append(list, f)
		return true, err
	})
	return list, err
}

func (s *sentrySource) issues(ctx context.Context, p foreignProject, limit int, f func(foreignIssue) (bool, error)) error {
	type row struct {
		ID         string          `json:"id"`
		ShortID    string          `json:"shortId"`
		Title      string          `json:"title"`
		Status     string          `json:"status"`
		FirstSeen  time.Time       `json:"firstSeen"`
		LastSeen   time.Time       `json:"lastSeen"`
		Count      json.RawMessage `json:"count"` // a text in Sentry, a number in GlitchTip
		UserCount  int64           `json:"userCount"`
		AssignedTo *struct {
			Email string `json:"email"`
		} `json:"assignedTo"`
	}
	// All of them: without a query, the unresolved ones alone are listed.
	return Each(ctx, s.Client, s.ProjectPath(p.Slug, "issues/"), url.Values{"query": {""}, "statsPeriod": {""}}, limit, func(i row) (bool, error) {
		n, err := strconv.ParseInt(strings.Trim(string(i.Count), `"`), 10, 64)
		if err != nil {
			n = 1
		}
		issue := foreignIssue{ID: i.ID, ShortID: i.ShortID, Title: i.Title, Status: statusOf(i.Status), FirstSeen: i.FirstSeen, LastSeen: i.LastSeen, Count: n, Users: i.UserCount}
		if i.AssignedTo != nil {
			issue.AssignedTo = i.AssignedTo.Email
		}
		return f(issue)
	})
}

func (s *sentrySource) event(ctx context.Context, p foreignProject, i foreignIssue) (map[string]any, error) {
	var latest struct {
		EventID string `json:"eventID"`
		ID      string `json:"id"`
	}
	if _, err := s.Call(ctx, http.MethodGet, "/api/0/issues/"+url.PathEscape(i.ID)+"/events/latest/", nil, nil, &latest); err != nil {
		return nil, err
	}
	id := strings.ReplaceAll(first(latest.EventID, latest.ID), "-", "")
	var raw map[string]any
	_, err := s.Call(ctx, http.MethodGet, s.ProjectPath(p.Slug, "events/"+url.PathEscape(id)+"/json/"), nil, nil, &raw)
	if fault.KindOf(err) == fault.Unknown && err != nil { // GlitchTip has it below the issue
		_, err = s.Call(ctx, http.MethodGet, "/api/0/organizations/"+url.PathEscape(s.Org)+"/issues/"+url.PathEscape(i.ID)+"/events/"+url.PathEscape(id)+"/json/", nil, nil, &raw)
	}
	return asSent(raw, id), err
}

// asSent is a stored event as an SDK would send it: what the other installation added goes.
func asSent(raw map[string]any, id string) map[string]any {
	if raw == nil {
		return nil
	}
	raw["event_id"] = id
	for _, name := range []string{"project", "received", "key_id", "hashes", "grouping_config", "_metrics", "_ref", "_ref_version", "metadata", "title", "culprit", "location",
		"nodestore_insert", "version", "type", "_meta", "_grouping_info", "errors"} {
		delete(raw, name)
	}
	// Tags are stored as pairs, some of them null.
	if tags, ok := raw["tags"].([]any); ok {
		kept := tags[:0]
		for _, t := range tags {
			if pair, ok := t.([]any); ok && len(pair) == 2 && pair[0] != nil && pair[1] != nil {
				kept = append(kept, t)
			}
		}
		raw["tags"] = kept
	}
	return raw
}

func (s *sentrySource) rules(ctx context.Context, p foreignProject) (list []map[string]any, err error) {
	err = Each(ctx, s.Client, s.ProjectPath(p.Slug, "rules/"), nil, 1000, func(r map[string]any) (bool, error) {
		list = append(list, r)
		return true, nil
	})
	return list, err
}

// bugsinkSource is an installation of Bugsink.
// Rule: https://www.bugsink.com/docs/api/
type bugsinkSource struct{ *Client }

// bugsinkEach calls f for the rows of a list, whose pages are linked by whole addresses.
func bugsinkEach[T any](ctx context.Context, c *Client, path string, query url.Values, f func(T) (bool, error)) error {
	for {
		var page struct {
			Next    *string `json:"next"`
			Results []T     `json:"results"`
		}
		if _, err := c.Call(ctx, http.MethodGet, path, query, nil, &page); err != nil {
			return err
		}
		for _, v := range page.Results {
			if more, err := f(v); err != nil || !more {
				return err
			}
		}
		if page.Next == nil || *page.Next == "" || len(page.Results) == 0 {
			return nil
		}
		next, err := url.Parse(*page.Next)
		if err != nil {
			return fault.Wrap(err, fault.Invalid, "the address of the next page")
		}
		path, query = next.Path, next.Query() // the host stays ours to choose
	}
}

const bugsinkAPI = "/api/canonical/0/"

func (s *bugsinkSource) projects(ctx context.Context) (list []foreignProject, err error) {
	type row struct {
		ID   json.Number `json:"id"`
		Slug string      `json:"slug"`
		Name string      `json:"name"`
		DSN  string      `json:"dsn"`
	}
	err = bugsinkEach(ctx, s.Client, bugsinkAPI+"projects/", nil, func(p row) (bool, error) {
		f := foreignProject{ID: p.ID.String(), Slug: p.Slug, Name: p.Name}
		if dsn, err := url.Parse(p.DSN); err == nil && dsn.User != nil {
			f.Keys = []foreignKey{{Public: strings.ReplaceAll(dsn.User.Username(), "-", ""), Label: "Bugsink", Active: true}}
		}
		list = append(list, f)
		return true, nil
	})
	return list, err
}

func (s *bugsinkSource) issues(ctx context.Context, p foreignProject, limit int, f func(foreignIssue) (bool, error)) error {
	type row struct {
		ID         string    `json:"id"`
		FirstSeen  time.Time `json:"first_seen"`
		LastSeen   time.Time `json:"last_seen"`
		Count      int64     `json:"digested_event_count"`
		Type       string    `json:"calculated_type"`
		Value      string    `json:"calculated_value"`
		IsResolved bool      `json:"is_resolved"`
		IsMuted    bool      `json:"is_muted"`
	}
	n := 0
	return bugsinkEach(ctx, s.Client, bugsinkAPI+"issues/", url.Values{"project": {p.ID}, "sort": {"last_seen"}, "order": {"desc"}}, func(i row) (bool, error) {
		if n++; n > limit {
			return false, nil
		}
		issue := foreignIssue{ID: i.ID, Title: i.Type + ": " + i.Value, Status: "unresolved", FirstSeen: i.FirstSeen, LastSeen: i.LastSeen, Count: i.Count}
		if i.IsMuted {
			issue.Status = "ignored"
		}
		if i.IsResolved {
			issue.Status = "resolved"
		}
		return f(issue)
	})
}

func (s *bugsinkSource) event(ctx context.Context, _ foreignProject, i foreignIssue) (raw map[string]any, err error) {
	type row struct {
		ID      string `json:"id"`
		EventID string `json:"event_id"`
	}
	var latest row
	err = bugsinkEach(ctx, s.Client, bugsinkAPI+"events/", url.Values{"issue": {i.ID}, "order": {"desc"}}, func(e row) (bool, error) {
		latest = e
		return false, nil
	})
	if err != nil || latest.ID == "" {
		return nil, err
	}
	var detail struct {
		EventID string         `json:"event_id"`
		Data    map[string]any `json:"data"`
	}
	if _, err := s.Call(ctx, http.MethodGet, bugsinkAPI+"events/"+url.PathEscape(latest.ID)+"/", nil, nil, &detail); err != nil {
		return nil, err
	}
	return asSent(detail.Data, strings.ReplaceAll(first(detail.EventID, latest.EventID), "-", "")), nil
}

func (s *bugsinkSource) rules(context.Context, foreignProject) ([]map[string]any, error) {
	return nil, nil
}

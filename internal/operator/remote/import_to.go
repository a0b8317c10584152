package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// importedProject is what the installation made of a project.
type importedProject struct {
	ID       string   `json:"id"`
	Slug     string   `json:"slug"`
	Keys     []string `json:"keys"`
	Problems []string `json:"problems"`
}

// importProject makes a project with the number and the keys it had, so that its DSNs go on
// working under the new host name.
func (c *Client) importProject(ctx context.Context, p foreignProject) (made importedProject, err error) {
	body := map[string]any{"id": p.ID, "slug": p.Slug, "name": p.Name, "platform": p.Platform, "keys": p.Keys}
	if p.Keys == nil {
		body["keys"] = []any{}
	}
	_, err = c.Call(ctx, http.MethodPost, "/api/v1/organizations/"+url.PathEscape(c.Org)+"/import/project/", nil, body, &made)
	return made, err
}

// sendEvent reports an event as an SDK would, and returns its id. It waits while the installation
// has enough to do.
func (c *Client) sendEvent(ctx context.Context, project, key string, payload map[string]any) (string, error) {
	raw, err := json.Marshal(payload)
	if err != nil {
		return "", fault.Wrap(err, fault.Invalid, "encode an event")
	}
	target := c.base + "/api/" + project + "/store/?sentry_version=7&sentry_client=tocsin-import/1&sentry_key=" + url.QueryEscape(key)
	for attempt := 1; ; attempt++ {
		id, wait, err := c.send(ctx, target, raw)
		if err == nil || wait == 0 || attempt == 10 {
			return id, err
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(min(wait, time.Minute)):
		}
	}
}

// send makes one attempt; wait is how long to wait before another, 0 when that is no use.
func (c *Client) send(ctx context.Context, target string, raw []byte) (id string, wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(raw))
	if err != nil {
		return "", 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return "", time.Second, fault.Wrap(err, fault.Unavailable, "send an event")
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<16)) // a body that breaks off is no id
	var told struct{ ID string }
	if res.StatusCode == http.StatusOK && json.Unmarshal(body, &told) == nil && told.ID != "" {
		return told.ID, 0, nil
	}
	err = refusal(res, body)
	if kind := fault.KindOf(err); kind == fault.Limited || kind == fault.Unavailable || kind == fault.Internal {
		seconds, _ := strconv.Atoi(res.Header.Get("Retry-After")) // without one: a moment
		return "", max(time.Second, time.Duration(seconds)*time.Second), err
	}
	return "", 0, fmt.Errorf("the event was refused: %w", err)
}

// importIssues gives issues their past, each found by an event of it; the answer has the ids of
// those whose event is there already.
func (c *Client) importIssues(ctx context.Context, project string, list []sentIssue) (map[string]string, error) {
	rows := make([]map[string]any, len(list))
	for n, i := range list {
		rows[n] = map[string]any{"event": i.event, "status": i.Status, "firstSeen": i.FirstSeen.UTC(), "lastSeen": i.LastSeen.UTC(), "count": i.Count,
			"userCount": i.Users, "assignedTo": i.AssignedTo}
	}
	var told struct {
		Issues map[string]string `json:"issues"` // by event
	}
	_, err := c.Call(ctx, http.MethodPost, "/api/v1/projects/"+url.PathEscape(c.Org)+"/"+url.PathEscape(project)+"/import/issues/", nil, map[string]any{"issues": rows}, &told)
	return told.Issues, err
}

// createRule makes an alert rule of one in Sentry's shape.
func (c *Client) createRule(ctx context.Context, project string, rule map[string]any) (string, error) {
	body := map[string]any{}
	for _, name := range []string{"name", "conditions", "filters", "actions", "actionMatch", "filterMatch", "frequency", "environment", "status"} {
		if v, ok := rule[name]; ok {
			body[name] = v
		}
	}
	var made struct {
		ID string `json:"id"`
	}
	_, err := c.Call(ctx, http.MethodPost, c.ProjectPath(project, "rules/"), nil, body, &made)
	return made.ID, err
}

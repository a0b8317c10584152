package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/httpx"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
)

// keys answers GET /api/0/projects/{org}/{project}/keys/.
func (s *Service) keys(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	list, err := s.Store.Keys(r.Context(), p.ID)
	if err != nil {
		return err
	}
	if status := r.URL.Query().Get("status"); status != "" {
		list = slices.DeleteFunc(list, func(k project.Key) bool { return k.Active != (status == "active") })
	}
	if list, err = window(s, w, r, list); err != nil {
		return err
	}
	out := make([]object, len(list))
	for i, k := range list {
		out[i] = s.clientKey(k)
	}
	return ok(w, out)
}

func (s *Service) clientKey(k project.Key) object {
	scheme, host, _ := strings.Cut(s.IngestURL, "://")
	dsn := func(user string) string { return scheme + "://" + user + "@" + host + "/" + id(k.Project) }
	under := func(path string) string {
		return s.IngestURL + "/api/" + id(k.Project) + "/" + path + "/?sentry_key=" + k.PublicKey
	}
	var limit any
	if k.RateLimit != nil {
		limit = object{"count": k.RateLimit.Count, "window": int(k.RateLimit.Window.Seconds())}
	}
	return object{
		"id": k.PublicKey, "name": k.Label, "label": k.Label, "public": k.PublicKey, "secret": k.SecretKey, "projectId": k.Project,
		"isActive": k.Active, "rateLimit": limit, "dateCreated": utc(k.CreatedAt),
		"dsn": object{"public": dsn(k.PublicKey), "secret": dsn(k.PublicKey + ":" + k.SecretKey), "csp": under("csp-report"),
			"security": under("security"), "minidump": under("minidump"), "nel": under("nel"), "unreal": s.IngestURL + "/api/" + id(k.Project) + "/unreal/" + k.PublicKey + "/",
			"crons": s.IngestURL + "/api/" + id(k.Project) + "/cron/___MONITOR_SLUG___/" + k.PublicKey + "/", "cdn": s.IngestURL + "/js-sdk-loader/" + k.PublicKey + ".min.js"},
		"browserSdkVersion": "latest", "browserSdk": object{"choices": [][]string{{"latest", "latest"}}},
		"dynamicSdkLoaderOptions": object{"hasReplay": false, "hasPerformance": false, "hasDebug": false, "hasFeedback": false, "hasLogsAndMetrics": false},
	}
}

// keyBody is what callers may say of a key.
// Rule: getsentry/sentry src/sentry/api/serializers/rest_framework/project_key.py
type keyBody struct {
	Name      *string         `json:"name"`
	Label     *string         `json:"label"`
	IsActive  *bool           `json:"isActive"`
	RateLimit json.RawMessage `json:"rateLimit"`
}

// limitBody is a rate limit, in both directions; a count of 0 is no limit.
type limitBody struct {
	Count  *int   `json:"count"`
	Window *int64 `json:"window"` // seconds
}

// readKey reads a key's body.
func (s *Service) readKey(w http.ResponseWriter, r *request) (c postgres.KeyChange, err error) {
	var b keyBody
	if err := readEcho(w, r, &b, s.clientKey(project.Key{}), "useCase", "dynamicSdkLoaderOptions"); err != nil {
		return c, err
	}
	c.Label, c.Active = b.Name, b.IsActive
	if c.Label == nil {
		c.Label = b.Label
	}
	switch text := bytes.TrimSpace(b.RateLimit); {
	case len(text) == 0:
	case string(text) == "null":
		c.RateLimit = new(*project.RateLimit)
	default:
		limit, err := readLimit(text)
		if err != nil {
			return c, err
		}
		c.RateLimit = &limit
	}
	return c, nil
}

// maxWindow keeps a window in seconds from overflowing; the store has the real limit.
const maxWindow = 1 << 31

func readLimit(text []byte) (*project.RateLimit, error) {
	var l limitBody
	if err := json.Unmarshal(text, &l); err != nil {
		return nil, fieldError{"rateLimit", "Not a valid rate limit."}
	}
	if l.Count == nil || *l.Count == 0 || l.Window == nil || *l.Window == 0 {
		return nil, nil
	}
	if *l.Count < 0 || *l.Window < 0 || *l.Window > maxWindow {
		return nil, fieldError{"rateLimit", "Not a valid rate limit."}
	}
	return &project.RateLimit{Count: *l.Count, Window: time.Duration(*l.Window) * time.Second}, nil
}

// createKey answers POST …/keys/ with the new key.
func (s *Service) createKey(w http.ResponseWriter, r *request) error {
	p, err := s.projectID(r)
	if err != nil {
		return err
	}
	c, err := s.readKey(w, r)
	if err != nil {
		return err
	}
	label, limit := "Key "+time.Now().UTC().Format(time.DateOnly), (*project.RateLimit)(nil)
	if c.Label != nil {
		label = *c.Label
	}
	if c.RateLimit != nil {
		limit = *c.RateLimit
	}
	k, err := s.Store.CreateKey(r.Context(), p, label, limit)
	if err != nil {
		return err
	}
	if c.Active != nil && !*c.Active {
		if k, err = s.Store.UpdateKey(r.Context(), p, k.PublicKey, postgres.KeyChange{Active: c.Active}); err != nil {
			return err
		}
	}
	return httpx.JSON(w, http.StatusCreated, s.clientKey(k))
}

// key answers GET …/keys/{public}/.
func (s *Service) key(w http.ResponseWriter, r *request) error {
	p, err := s.projectID(r)
	if err != nil {
		return err
	}
	k, err := s.Store.Key(r.Context(), p, r.PathValue("public"))
	if err != nil {
		return err
	}
	return ok(w, s.clientKey(k))
}

// updateKey answers PUT …/keys/{public}/: what the body leaves out stays.
func (s *Service) updateKey(w http.ResponseWriter, r *request) error {
	p, err := s.projectID(r)
	if err != nil {
		return err
	}
	if _, err := s.Store.Key(r.Context(), p, r.PathValue("public")); err != nil {
		return err
	}
	c, err := s.readKey(w, r)
	if err != nil {
		return err
	}
	k, err := s.Store.UpdateKey(r.Context(), p, r.PathValue("public"), c)
	if err != nil {
		return err
	}
	return ok(w, s.clientKey(k))
}

// deleteKey answers DELETE …/keys/{public}/ with 204.
func (s *Service) deleteKey(w http.ResponseWriter, r *request) error {
	p, err := s.projectID(r)
	if err != nil {
		return err
	}
	if err := s.Store.DeleteKey(r.Context(), p, r.PathValue("public")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// rotateKey answers POST …/keys/{public}/rotate/ with the key under its new halves.
func (s *Service) rotateKey(w http.ResponseWriter, r *request) error {
	p, err := s.projectID(r)
	if err != nil {
		return err
	}
	k, err := s.Store.RotateKey(r.Context(), p, r.PathValue("public"))
	if err != nil {
		return err
	}
	return ok(w, s.clientKey(k))
}

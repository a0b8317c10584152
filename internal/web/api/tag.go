package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/postgres"
)

type tagShape struct {
	Key          string          `json:"key"`
	Name         string          `json:"name"`
	TotalValues  int64           `json:"totalValues"`
	UniqueValues int64           `json:"uniqueValues"`
	CanDelete    bool            `json:"canDelete"`
	TopValues    []tagValueShape `json:"topValues,omitempty"`
}

type tagValueShape struct {
	Key       string    `json:"key"`
	Name      string    `json:"name"`
	Value     string    `json:"value"`
	Count     int64     `json:"count"`
	FirstSeen time.Time `json:"firstSeen"`
	LastSeen  time.Time `json:"lastSeen"`
	Query     *string   `json:"query,omitempty"`
	*eventUser
}

// eventUser is what a value of the tag user says of the user.
type eventUser struct {
	ID         *string `json:"id"`
	Identifier *string `json:"identifier"`
	Username   *string `json:"username"`
	Email      *string `json:"email"`
	IPAddress  *string `json:"ipAddress"`
	AvatarURL  string  `json:"avatarUrl"`
}

// tagNames are the names of keys that people read; others are their own.
var tagNames = map[string]string{"browser": "Browser", "os": "OS", "url": "URL", "user": "User", "level": "Level", "release": "Release",
	"environment": "Environment", "server_name": "Server", "device": "Device", "logger": "Logger", "transaction": "Transaction"}

func tagName(key string) string {
	if name, known := tagNames[key]; known {
		return name
	}
	return key
}

func shapeTag(t postgres.TagKey, withValues bool) tagShape {
	shape := tagShape{Key: t.Key, Name: tagName(t.Key), TotalValues: t.TotalValues, UniqueValues: t.UniqueValues}
	if withValues {
		shape.TopValues = shapeValues(t.Top)
	}
	return shape
}

func shapeValues(list []postgres.TagValue) []tagValueShape {
	out := make([]tagValueShape, len(list))
	for i, v := range list {
		out[i] = tagValueShape{Key: v.Key, Name: v.Value, Value: v.Value, Count: v.TimesSeen, FirstSeen: utc(v.FirstSeen), LastSeen: utc(v.LastSeen)}
		if v.Key == "user" {
			out[i].eventUser = userOfTag(v.Value)
			out[i].Query = new("user:" + quoted(v.Value))
		}
	}
	return out
}

func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// userOfTag reads "id:42", "email:a@b.c".
func userOfTag(value string) *eventUser {
	u := &eventUser{}
	kind, name, _ := strings.Cut(value, ":")
	switch kind {
	case "id":
		u.ID, u.Identifier = &name, &name
	case "username":
		u.Username = &name
	case "email":
		u.Email = &name
	case "ip":
		u.IPAddress = &name
	}
	return u
}

// topValues is how many values of each tag a list of tags shows.
const topValues = 10

// tags answers GET …/issues/{issue}/tags/.
func (s *Service) tags(w http.ResponseWriter, r *request) error {
	row, err := s.issueRow(r)
	if err != nil {
		return err
	}
	list, err := s.Store.IssueTags(r.Context(), row.Project, row.ID, "", topValues)
	if err != nil {
		return err
	}
	out := make([]tagShape, len(list))
	for i, t := range list {
		out[i] = shapeTag(t, true)
	}
	return ok(w, out)
}

// tag answers GET …/issues/{issue}/tags/{key}/.
func (s *Service) tag(w http.ResponseWriter, r *request) error {
	row, err := s.issueRow(r)
	if err != nil {
		return err
	}
	list, err := s.Store.IssueTags(r.Context(), row.Project, row.ID, r.PathValue("key"), topValues)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errNotFound()
	}
	return ok(w, shapeTag(list[0], true))
}

// tagValues answers GET …/issues/{issue}/tags/{key}/values/.
func (s *Service) tagValues(w http.ResponseWriter, r *request) error {
	row, err := s.issueRow(r)
	if err != nil {
		return err
	}
	list, err := s.Store.IssueTagValues(r.Context(), row.Project, row.ID, r.PathValue("key"), postgres.TagSort(r.URL.Query().Get("sort")))
	if err != nil {
		return err
	}
	if list, err = window(s, w, r, list); err != nil {
		return err
	}
	return ok(w, shapeValues(list))
}

// hashes answers GET …/issues/{issue}/hashes/.
func (s *Service) hashes(w http.ResponseWriter, r *request) error {
	row, err := s.issueRow(r)
	if err != nil {
		return err
	}
	list, err := s.Store.IssueHashes(r.Context(), row.Project, row.ID)
	if err != nil {
		return err
	}
	if list, err = window(s, w, r, list); err != nil {
		return err
	}
	out := make([]object, len(list))
	for i, hash := range list {
		out[i] = object{"id": hash, "latestEvent": nil, "mergedBySeer": false}
	}
	return ok(w, out)
}

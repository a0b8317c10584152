package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/httpx"
)

// object is a JSON object whose shape is fixed by clients and mostly constant.
type object map[string]any

// fieldError is a value of one field that cannot be accepted: {"field": ["text"]}.
type fieldError struct{ field, text string }

func (e fieldError) Error() string { return e.field + ": " + e.text }

// detailError is a value within statusDetails that cannot be accepted.
type detailError fieldError

func (e detailError) Error() string { return e.field + ": " + e.text }

// fail answers an error as {"detail": text}, one key: what the command lines can show.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	var field fieldError
	if errors.As(err, &field) {
		_ = httpx.JSON(w, http.StatusBadRequest, map[string][]string{field.field: {field.text}})
		return
	}
	var detail detailError
	if errors.As(err, &detail) {
		_ = httpx.JSON(w, http.StatusBadRequest, map[string]map[string][]string{"statusDetails": {detail.field: {detail.text}}})
		return
	}
	httpx.Log(r.Context(), r, err)
	httpx.SetRetryAfter(w.Header(), err)
	kind, text := fault.KindOf(err), fault.Public(err)
	if kind == fault.Internal {
		text = "Internal Error"
	}
	_ = httpx.JSON(w, kind.Status(), map[string]string{"detail": text})
}

func ok(w http.ResponseWriter, v any) error { return httpx.JSON(w, http.StatusOK, v) }

// utc is a moment as the wire has it: UTC, with a Z.
func utc(t time.Time) time.Time { return t.UTC() }

// maybe is nil for the zero value, so that it is written as null.
func maybe[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func maybeTime(t *time.Time) *time.Time {
	if t == nil || t.IsZero() {
		return nil
	}
	u := t.UTC()
	return &u
}

func id(n int64) string { return strconv.FormatInt(n, 10) }

// named reports whether a path's name means the thing with this id and slug.
func named(n int64, slug, name string) bool { return slug == name || id(n) == name }

// links is where the pages around one are.
type links struct {
	prev, next       string
	hasPrev, hasNext bool
}

// setLink writes the Link header; its order and quotes are read by clients.
// Rule: getsentry/sentry src/sentry/api/base.py (build_cursor_link)
func (s *Service) setLink(w http.ResponseWriter, r *request, l links) {
	q := r.URL.Query()
	q.Del("cursor")
	base := s.BaseURL + r.URL.EscapedPath() + "?" + q.Encode()
	part := func(rel, cursor string, results bool) string {
		return fmt.Sprintf(`<%s&cursor=%s>; rel="%s"; results="%t"; cursor="%s"`, base, url.QueryEscape(cursor), rel, results, cursor)
	}
	w.Header().Set("Link", part("previous", l.prev, l.hasPrev)+", "+part("next", l.next, l.hasNext))
}

// window cuts a list that is held whole into pages by offset, and sets the Link header.
func window[T any](s *Service, w http.ResponseWriter, r *request, list []T) ([]T, error) {
	limit, err := perPage(r)
	if err != nil {
		return nil, err
	}
	skip, err := offset(r.URL.Query().Get("cursor"))
	if err != nil {
		return nil, err
	}
	from, to := min(skip, len(list)), min(skip+limit, len(list))
	s.setOffsets(w, r, skip, limit, to < len(list))
	return list[from:to], nil
}

// setOffsets writes the Link header of a page that is found by counting rows.
func (s *Service) setOffsets(w http.ResponseWriter, r *request, skip, limit int, more bool) {
	s.setLink(w, r, links{prev: fmt.Sprintf("0:%d:1", max(0, skip-limit)), next: fmt.Sprintf("0:%d:0", skip+limit), hasPrev: skip > 0, hasNext: more})
}

// offset reads the middle of a cursor that counts rows.
func offset(cursor string) (int, error) {
	if cursor == "" {
		return 0, nil
	}
	parts := strings.Split(cursor, ":")
	if len(parts) == 3 {
		if n, err := strconv.Atoi(parts[1]); err == nil && n >= 0 && n <= 1_000_000 {
			return n, nil
		}
	}
	return 0, fault.New(fault.Invalid, "Invalid cursor parameter.")
}

const maxPerPage = 100

// perPage reads per_page, 1 to 100.
func perPage(r *request) (int, error) {
	text := r.URL.Query().Get("per_page")
	if text == "" {
		return maxPerPage, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxPerPage {
		return 0, fault.New(fault.Invalid, "Invalid per_page value. Must be between 1 and %d.", maxPerPage)
	}
	return n, nil
}

// maxBody bounds the documents that callers send.
const maxBody = 1 << 20

// idle is a member that clients know and send, which has no effect here: what they were given, they
// send back.
type idle = json.RawMessage

// readEcho is readBody for clients that send back what they were given: members of the answer that
// cannot be set are left alone, and so are those of other servers that have no meaning here.
func readEcho(w http.ResponseWriter, r *request, into any, answer object, others ...string) error {
	var members map[string]json.RawMessage
	if err := readBody(w, r, &members); err != nil {
		return err
	}
	for name := range members {
		if _, given := answer[name]; !given && !slices.Contains(others, name) {
			return fieldError{name, "Unknown field."}
		}
	}
	text, err := json.Marshal(members)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "JSON parse error")
	}
	var mistyped *json.UnmarshalTypeError
	if err := json.Unmarshal(text, into); errors.As(err, &mistyped) && mistyped.Field != "" {
		return fieldError{mistyped.Field, "Not a valid value."}
	} else if err != nil {
		return fault.Wrap(err, fault.Invalid, "JSON parse error")
	}
	return nil
}

// readLoose decodes a JSON document and leaves members alone that it does not know, for the requests
// that name pieces of uploads, whose clients say more with each release.
func readLoose(w http.ResponseWriter, r *request, into any) error {
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAssembleBody)).Decode(into)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return fault.New(fault.TooLarge, "the body is larger than %d bytes", maxAssembleBody)
	case err != nil:
		return fault.New(fault.Invalid, "Invalid json body")
	}
	return nil
}

// maxAssembleBody bounds the documents that name the chunks of files.
const maxAssembleBody = 16 << 20

// readBody decodes a JSON document and refuses members it does not know.
func readBody(w http.ResponseWriter, r *request, into any) error {
	return readSized(w, r, into, maxBody)
}

// readSized is readBody for documents of up to limit bytes.
func readSized(w http.ResponseWriter, r *request, into any, limit int64) error {
	var raw bytes.Buffer // for the audit log
	dec := json.NewDecoder(io.TeeReader(http.MaxBytesReader(w, r.Body, limit), &raw))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if r.audit.Data == nil && json.Unmarshal(raw.Bytes(), &r.audit.Data) != nil {
		r.audit.Data = nil
	}
	if err == nil {
		if _, err = dec.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		return fault.New(fault.Invalid, "JSON parse error - more than one document")
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return fault.New(fault.TooLarge, "the body is larger than %d bytes", limit)
	}
	if name, found := strings.CutPrefix(err.Error(), "json: unknown field "); found {
		return fieldError{strings.Trim(name, `"`), "Unknown field."}
	}
	var mistyped *json.UnmarshalTypeError
	if errors.As(err, &mistyped) && mistyped.Field != "" {
		return fieldError{mistyped.Field, "Not a valid value."}
	}
	return fault.Wrap(err, fault.Invalid, "JSON parse error")
}

package api

import (
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// auditLog answers GET …/audit-logs/: {"rows": [...], "options": [events]}, newest first.
func (s *Service) auditLog(w http.ResponseWriter, r *request) error {
	limit, err := perPage(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	before, err := offset(q.Get("cursor"))
	if err != nil {
		return err
	}
	ask := postgres.AuditQuery{Event: q.Get("event"), Text: q.Get("query"), Before: int64(before), Limit: limit}
	if text := q.Get("actor"); text != "" {
		if ask.Actor, err = strconv.ParseInt(text, 10, 64); err != nil {
			return fieldError{"actor", "A valid integer is required."}
		}
	}
	list, more, err := s.Store.AuditLog(r.Context(), r.org(), ask)
	if err != nil {
		return err
	}
	events, err := s.Store.AuditEvents(r.Context(), r.org())
	if err != nil {
		return err
	}
	rows, last := make([]object, len(list)), int64(0)
	for i, e := range list {
		rows[i], last = auditShape(e), e.Seq
	}
	s.setLink(w, r, links{prev: "0:0:1", next: "0:" + id(last) + ":0", hasPrev: before > 0, hasNext: more})
	return ok(w, object{"rows": rows, "options": append([]string{}, events...)})
}

func auditShape(e account.AuditEntry) object {
	data := e.Details()
	if data == nil {
		data = map[string]any{}
	}
	return object{
		"id": id(e.Seq), "actor": object{"id": id(e.ActorID), "name": e.Actor, "email": e.Actor}, "event": e.Event, "ipAddress": maybe(e.Address),
		"note": e.Note, "targetObject": nil, "targetUser": nil, "target": e.Target, "data": data, "dateCreated": e.At,
		"hash": hex.EncodeToString(e.Hash[:]), "previous": hex.EncodeToString(e.Previous[:]),
	}
}

// exportAudit answers GET /api/v1/organizations/{org}/audit-log/export/ with the whole log, oldest
// first: one JSON document a line, or format=csv.
func (s *Service) exportAudit(w http.ResponseWriter, r *request) error {
	format := r.URL.Query().Get("format")
	name := "audit-log-" + r.who.Organization.Slug + "-" + time.Now().UTC().Format(time.DateOnly)
	switch format {
	case "", "jsonl":
		w.Header().Set("Content-Type", "application/x-ndjson")
		w.Header().Set("Content-Disposition", `attachment; filename="`+name+`.jsonl"`)
		enc := json.NewEncoder(w)
		return s.Store.AuditEach(r.Context(), r.org(), func(e account.AuditEntry) error { return enc.Encode(auditShape(e)) })
	case "csv":
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		w.Header().Set("Content-Disposition", `attachment; filename="`+name+`.csv"`)
		out := csv.NewWriter(w)
		_ = out.Write([]string{"seq", "at", "actor", "address", "event", "target", "note", "data", "hash"}) // Flush reports
		err := s.Store.AuditEach(r.Context(), r.org(), func(e account.AuditEntry) error {
			return out.Write([]string{id(e.Seq), e.At.Format(time.RFC3339Nano), cell(e.Actor), cell(e.Address), cell(e.Event), cell(e.Target), cell(e.Note),
				cell(e.Data), hex.EncodeToString(e.Hash[:])})
		})
		out.Flush()
		if err == nil {
			err = out.Error()
		}
		return err
	}
	return fault.New(fault.Invalid, "format is jsonl or csv")
}

// cell keeps a spreadsheet from taking a text for a formula.
func cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// verifyAudit answers GET /api/v1/organizations/{org}/audit-log/verify/: whether the hash chain is
// whole, and where it breaks.
func (s *Service) verifyAudit(w http.ResponseWriter, r *request) error {
	n, broken, err := s.Store.VerifyAudit(r.Context(), r.org())
	if err != nil {
		return err
	}
	return ok(w, object{"entries": n, "intact": broken == 0, "brokenAt": maybe(broken)})
}

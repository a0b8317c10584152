// Package audit writes down what callers of the API and readers of the pages change. Every route
// that changes something is written down by the frame around its handler, so none can be
// forgotten; handlers add what only they know with a Note.
//
//	route ──▶ frame ──▶ handler ──Note──┐
//	            └── succeeded ──▶ Trail.Record ──▶ audit_log
package audit

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/netip"
	"regexp"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// Note is what a handler knows of what it changed; empty parts are filled from the route.
type Note struct {
	Event  string // such as "member.invite"; "-": nothing is to be written
	Target string // what it happened to, as people name it
	Text   string // one sentence
	Data   map[string]any
}

// Trail writes audit logs.
type Trail struct{ Store *postgres.Store }

// Record adds a line to the log of the caller's organization. A line that cannot be written is an
// error of ours and is reported as one; what was done stays done.
func (t Trail) Record(ctx context.Context, r *http.Request, who *account.Principal, n Note) {
	if n.Event == "-" || who == nil || who.Organization.ID == 0 {
		return
	}
	data, err := json.Marshal(redact(n.Data))
	if err != nil || n.Data == nil {
		data = []byte("{}")
	}
	e := account.AuditEntry{Organization: who.Organization.ID, ActorID: who.UserID(), Actor: who.Label(), Token: who.Token, Address: Address(r),
		Event: n.Event, Target: n.Target, Note: n.Text, Data: string(data)}
	if err := t.Store.Audit(context.WithoutCancel(ctx), e); err != nil {
		slog.ErrorContext(ctx, "the audit log was not written", "err", err, "event", n.Event)
	}
}

// Address is the address of the peer, empty when it has none.
func Address(r *http.Request) string {
	if r == nil {
		return ""
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return peer.Addr().Unmap().String()
}

// hidden matches names whose values are secrets, or addresses that hold one.
var hidden = regexp.MustCompile(`(?i)secret|passw|token|credential|dsn|url|code|hash|signing|_key$|^key$|cookie|authorization`)

const (
	maxText  = 200
	maxNames = 40
)

// redact keeps the names and the plain values of a change: secrets become dots, long texts are
// cut, and what is nested is only counted below the second level.
func redact(data map[string]any) map[string]any {
	out := make(map[string]any, len(data))
	for name, v := range data {
		if len(out) == maxNames {
			break
		}
		out[cut(name)] = redactValue(name, v, 0)
	}
	return out
}

func redactValue(name string, v any, depth int) any {
	if hidden.MatchString(name) {
		return "•"
	}
	switch x := v.(type) {
	case string:
		return cut(x)
	case map[string]any:
		if depth > 0 {
			return len(x)
		}
		out := make(map[string]any, len(x))
		for k, y := range x {
			if len(out) < maxNames {
				out[cut(k)] = redactValue(k, y, depth+1)
			}
		}
		return out
	case []any:
		if len(x) > maxNames {
			x = x[:maxNames]
		}
		out := make([]any, len(x))
		for i, y := range x {
			out[i] = redactValue("", y, depth+1)
		}
		return out
	}
	return v
}

func cut(s string) string {
	r := []rune(s)
	if len(r) > maxText {
		return string(r[:maxText]) + "…"
	}
	return s
}

// verbs are last parts of routes that say what is done rather than to what.
var verbs = map[string]bool{
	"rotate": true, "test": true, "redeliver": true, "transfer": true, "snooze": true, "merge": true, "unmerge": true, "import": true, "assemble": true,
	"accept": true, "revoke": true, "archive": true, "restore": true, "replay": true, "discard": true, "pause": true, "resume": true, "leave": true,
	"cancel": true, "undo": true, "resend": true, "verify": true, "finalize": true, "preview": true,
}

// EventOf names what a route does when its handler does not: its things in the singular and a
// verb, such as "key.rotate" for POST /api/v1/projects/{org}/{project}/keys/{public}/rotate/.
// do is the verb that a page's form names; empty: it follows from the method.
func EventOf(method, pattern, do string) string {
	var names []string
	parts := strings.Split(strings.Trim(pattern, "/"), "/")
	for len(parts) > 0 && (parts[0] == "api" || parts[0] == "0" || parts[0] == "v1" || parts[0] == "o") {
		parts = parts[1:]
	}
	for _, p := range parts {
		if !strings.HasPrefix(p, "{") && p != "" {
			names = append(names, singular(p))
		}
	}
	// What only says where something is goes, unless there is nothing else.
	for len(names) > 1 && (names[0] == "organization" || names[0] == "project" || names[0] == "team") {
		names = names[1:]
	}
	verb := map[string]string{http.MethodPost: "create", http.MethodPut: "edit", http.MethodPatch: "edit", http.MethodDelete: "remove"}[method]
	if n := len(names); n > 1 && verbs[names[n-1]] {
		verb, names = names[n-1], names[:n-1]
	}
	if do = plainVerb(do); do != "" {
		verb = do
	}
	if len(names) == 0 {
		names = []string{"account"}
	}
	return strings.Join(names, ".") + "." + verb
}

func singular(s string) string {
	switch {
	case verbs[s] || strings.HasSuffix(s, "ss") || s == "privacy" || s == "status":
		return s
	case strings.HasSuffix(s, "ies"):
		return strings.TrimSuffix(s, "ies") + "y"
	}
	return strings.TrimSuffix(s, "s")
}

func plainVerb(s string) string {
	if len(s) > 32 {
		return ""
	}
	for _, c := range s {
		if (c < 'a' || c > 'z') && c != '-' && c != '_' {
			return ""
		}
	}
	return s
}

// TargetOf names what a route is about by the values in its path, the organization left out.
func TargetOf(pattern string, value func(name string) string) string {
	var parts []string
	for p := range strings.SplitSeq(strings.Trim(pattern, "/"), "/") {
		name := strings.Trim(p, "{}")
		if name == p || name == "org" {
			continue
		}
		if v := value(name); v != "" {
			parts = append(parts, v)
		}
	}
	return strings.Join(parts, " / ")
}

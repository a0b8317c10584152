package api

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/web/operate"
)

var adminOrg = []account.Scope{account.OrgAdmin}

// operatorRoutes are about the installation, not about one organization.
func (s *Service) operatorRoutes() []route {
	const get, post = http.MethodGet, http.MethodPost
	const letters = "/api/v1/dead-letters/"
	list := []route{
		{get, "/api/v1/queues/", adminOrg, false, s.queues},
		{post, "/api/v1/queues/{queue}/pause/", adminOrg, false, s.pauseQueue},
		{post, "/api/v1/queues/{queue}/resume/", adminOrg, false, s.resumeQueue},
		{get, letters, adminOrg, false, s.deadLetters},
		{get, letters + "groups/", adminOrg, false, s.letterGroups},
		{get, letters + "{id}/", adminOrg, false, s.deadLetter},
		{post, letters + "dry-run/", adminOrg, false, s.dryRun},
		{post, letters + "replay/", adminOrg, false, s.startRun(postgres.RunReplay)},
		{post, letters + "discard/", adminOrg, false, s.startRun(postgres.RunDiscard)},
		{get, letters + "runs/", adminOrg, false, s.runs},
		{get, letters + "runs/{id}/", adminOrg, false, s.run},
		{post, letters + "runs/{id}/cancel/", adminOrg, false, s.cancelRun},
		{get, "/api/v1/operator-actions/", adminOrg, false, s.operatorActions},
	}
	for i := range list {
		list[i].handler = s.operators(list[i].handler)
	}
	return list
}

// operators lets only those in who may operate on the installation as a whole.
func (s *Service) operators(h handler) handler {
	return func(w http.ResponseWriter, r *request) error {
		if s.Desk == nil {
			return fault.New(fault.Unavailable, "this server does not operate on queues")
		}
		if err := s.Desk.Allow(r.Context(), r.who); err != nil {
			return err
		}
		return h(w, r)
	}
}

type pauseShape struct {
	Reason string     `json:"reason"`
	By     string     `json:"by"`
	At     *time.Time `json:"at"`
	Until  *time.Time `json:"until"` // null: until it is resumed
}

type queueShape struct {
	Name             string      `json:"name"`
	About            string      `json:"about"`
	Consumer         string      `json:"consumer"`
	IsDeadLetter     bool        `json:"isDeadLetterQueue"`
	DeadLetterQueue  string      `json:"deadLetterQueue"`
	Packs            uint64      `json:"packs"`
	Bytes            uint64      `json:"bytes"`
	Waiting          uint64      `json:"waiting"`
	InHand           int         `json:"inHand"`
	OldestAt         *time.Time  `json:"oldestAt"`
	OldestAgeSeconds float64     `json:"oldestAgeSeconds"`
	Paused           *pauseShape `json:"paused"`
}

// queues answers GET /api/v1/queues/.
func (s *Service) queues(w http.ResponseWriter, r *request) error {
	list, err := s.Desk.Queues(r.Context())
	if err != nil {
		return err
	}
	out := make([]queueShape, len(list))
	for i, d := range list {
		about := s.Desk.About(d.Queue)
		q := queueShape{Name: d.Queue, About: about.About, Consumer: about.Consumer, IsDeadLetter: d.Dead, DeadLetterQueue: about.DeadLetterQueue,
			Packs: d.Packs, Bytes: d.Bytes, Waiting: d.Waiting, InHand: d.InHand}
		if d.Packs > 0 && !d.OldestAt.IsZero() {
			q.OldestAt, q.OldestAgeSeconds = new(utc(d.OldestAt)), max(0, time.Since(d.OldestAt).Seconds())
		}
		if p := d.Paused; p != nil {
			q.Paused = &pauseShape{Reason: p.Reason, By: p.By, At: maybeTime(&p.At), Until: maybeTime(&p.Until)}
		}
		out[i] = q
	}
	return ok(w, out)
}

type pauseBody struct {
	Reason  string `json:"reason"`
	Seconds int64  `json:"seconds"` // 0: until it is resumed
}

// pauseQueue answers POST /api/v1/queues/{queue}/pause/.
func (s *Service) pauseQueue(w http.ResponseWriter, r *request) error {
	if name := r.PathValue("queue"); s.Desk.About(name).Consumer == "" {
		return fault.New(fault.Unknown, "there is no queue %.100q", name)
	}
	var in pauseBody
	if err := readBody(w, r, &in); err != nil {
		return err
	}
	if in.Seconds < 0 || in.Seconds > maxWindow {
		return fieldError{"seconds", "Not a valid number of seconds."}
	}
	if err := s.Desk.Pause(r.Context(), r.who, r.PathValue("queue"), in.Reason, time.Duration(in.Seconds)*time.Second); err != nil {
		return err
	}
	return s.queues(w, r)
}

// resumeQueue answers POST /api/v1/queues/{queue}/resume/.
func (s *Service) resumeQueue(w http.ResponseWriter, r *request) error {
	if err := s.Desk.Resume(r.Context(), r.who, r.PathValue("queue")); err != nil {
		return err
	}
	return s.queues(w, r)
}

type letterShape struct {
	ID       string    `json:"id"`
	Queue    string    `json:"queue"`
	Service  string    `json:"service"`
	Error    string    `json:"error"`
	Group    string    `json:"group"`
	Attempts int       `json:"attempts"`
	FirstAt  time.Time `json:"firstAt"`
	LastAt   time.Time `json:"lastAt"`
	Bytes    int       `json:"bytes"`
	Pack     string    `json:"pack"`
	Index    int       `json:"index"`

	Project *string `json:"projectId"`
	EventID *string `json:"eventId"`
}

func shapeLetter(l *operate.Letter) letterShape {
	shape := letterShape{ID: l.ID, Queue: l.Queue, Service: l.Service, Error: l.Error, Group: l.Group(), Attempts: l.Attempts,
		FirstAt: utc(l.FirstAt), LastAt: utc(l.LastAt), Bytes: l.Bytes, Pack: l.Pack, Index: l.Index}
	if raw, err := l.Event(); err == nil {
		shape.Project, shape.EventID = new(id(raw.Project)), new(raw.ID.String())
	}
	return shape
}

// deadLetters answers GET /api/v1/dead-letters/, oldest first.
func (s *Service) deadLetters(w http.ResponseWriter, r *request) error {
	limit, err := perPage(r)
	if err != nil {
		return err
	}
	q := bus.LetterQuery{Queue: r.URL.Query().Get("queue"), Group: r.URL.Query().Get("group")}
	if text := r.URL.Query().Get("cursor"); text != "" {
		if q.From, err = strconv.ParseUint(text, 10, 64); err != nil {
			return fault.New(fault.Invalid, "Invalid cursor parameter.")
		}
	}
	list, next, err := s.Desk.Letters(r.Context(), q, limit)
	if err != nil {
		return err
	}
	out := make([]letterShape, len(list))
	for i := range list {
		out[i] = shapeLetter(&list[i])
	}
	s.setLink(w, r, links{prev: "1", next: strconv.FormatUint(next, 10), hasPrev: q.From > 1, hasNext: next != 0})
	return ok(w, out)
}

// letterGroups answers GET /api/v1/dead-letters/groups/, the largest first.
func (s *Service) letterGroups(w http.ResponseWriter, r *request) error {
	groups, whole, err := s.Desk.Groups(r.Context(), r.URL.Query().Get("queue"))
	if err != nil {
		return err
	}
	list := make([]object, len(groups))
	for i, g := range groups {
		list[i] = object{"id": g.ID, "queue": g.Queue, "service": g.Service, "pattern": g.Pattern, "error": g.Error, "count": g.Count, "bytes": g.Bytes,
			"firstAt": utc(g.FirstAt), "lastAt": utc(g.LastAt)}
	}
	return ok(w, object{"groups": list, "complete": whole})
}

// deadLetter answers GET /api/v1/dead-letters/{id}/ with all that is known, bytes included.
func (s *Service) deadLetter(w http.ResponseWriter, r *request) error {
	l, err := s.Desk.Letter(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	out := object{"letter": shapeLetter(&l), "stack": l.Stack, "body": base64.StdEncoding.EncodeToString(l.Body), "event": nil, "payload": nil}
	if raw, err := l.Event(); err == nil {
		out["event"] = object{"projectId": id(raw.Project), "keyId": id(raw.KeyID), "eventId": raw.ID.String(), "receivedAt": utc(raw.ReceivedAt),
			"itemType": raw.ItemType, "client": raw.Client, "payloadBytes": len(raw.Payload)}
		if json.Valid(raw.Payload) {
			out["payload"] = json.RawMessage(raw.Payload)
		}
	}
	return ok(w, out)
}

type selectionBody struct {
	Letters []string `json:"letters"`
	Queue   string   `json:"queue"`
	Group   string   `json:"group"`
	All     bool     `json:"all"`
	Reason  string   `json:"reason"`
}

// maxRehearsed is how many letters one dry run looks at.
const maxRehearsed = 100

// dryRun answers POST /api/v1/dead-letters/dry-run/: what would become of the selected letters, of
// the oldest hundred at most.
func (s *Service) dryRun(w http.ResponseWriter, r *request) error {
	var in selectionBody
	if err := readBody(w, r, &in); err != nil {
		return err
	}
	letters, next, err := s.selected(r, in)
	if err != nil {
		return err
	}
	results, counts := make([]object, len(letters)), map[issue.Verdict]int{issue.WouldBeStored: 0, issue.WouldBeFiltered: 0, issue.WouldFail: 0}
	for i := range letters {
		v, err := s.Desk.Rehearse(r.Context(), &letters[i])
		if err != nil {
			return err
		}
		counts[v.Verdict]++
		results[i] = object{"id": letters[i].ID, "verdict": v.Verdict, "reason": v.Reason, "title": v.Title, "culprit": v.Culprit,
			"issueId": maybe(idOrEmpty(v.Issue)), "newIssue": v.NewIssue}
	}
	return ok(w, object{"results": results, "counts": counts, "complete": next == 0})
}

func idOrEmpty(n int64) string {
	if n == 0 {
		return ""
	}
	return id(n)
}

func (s *Service) selected(r *request, in selectionBody) (letters []operate.Letter, next uint64, err error) {
	if len(in.Letters) == 0 {
		if in.Queue == "" && in.Group == "" && !in.All {
			return nil, 0, fault.New(fault.Invalid, "Name dead letters, a queue or a group, or say all.")
		}
		return s.Desk.Letters(r.Context(), bus.LetterQuery{Queue: in.Queue, Group: in.Group}, maxRehearsed)
	}
	if len(in.Letters) > maxRehearsed {
		return nil, 0, fieldError{"letters", "At most " + strconv.Itoa(maxRehearsed) + "."}
	}
	for _, name := range in.Letters {
		l, err := s.Desk.Letter(r.Context(), name)
		if err != nil {
			return nil, 0, err
		}
		letters = append(letters, l)
	}
	return letters, 0, nil
}

// awaitRun is how long an answer waits for a run, so that short ones are done in it.
const awaitRun = 2 * time.Second

// startRun answers POST /api/v1/dead-letters/{replay,discard}/.
func (s *Service) startRun(kind postgres.RunKind) handler {
	return func(w http.ResponseWriter, r *request) error {
		var in selectionBody
		if err := readBody(w, r, &in); err != nil {
			return err
		}
		run, err := s.Desk.Start(r.Context(), r.who, operate.Selection{Kind: kind, Letters: in.Letters, Queue: in.Queue, Group: in.Group, All: in.All, Reason: in.Reason})
		if err != nil {
			return err
		}
		if run, err = s.Desk.Await(r.Context(), run.ID, awaitRun); err != nil {
			return err
		}
		return ok(w, shapeRun(&run))
	}
}

func shapeRun(run *postgres.LetterRun) object {
	letters := make([]string, len(run.Letters))
	for i, seq := range run.Letters {
		letters[i] = bus.LetterID(run.DLQ, seq)
	}
	return object{"id": id(run.ID), "kind": run.Kind, "deadLetterQueue": run.DLQ, "queue": maybe(run.Queue), "group": maybe(run.GroupID), "letters": letters,
		"reason": run.Reason, "actor": run.Actor, "state": run.State.String(), "total": run.Total, "done": run.Done, "failed": run.Failed,
		"lastError": maybe(run.LastError), "dateCreated": utc(run.CreatedAt), "dateFinished": maybeTime(run.FinishedAt)}
}

// runs answers GET /api/v1/dead-letters/runs/, newest first.
func (s *Service) runs(w http.ResponseWriter, r *request) error {
	list, err := s.Desk.Runs(r.Context())
	if err != nil {
		return err
	}
	out := make([]object, len(list))
	for i := range list {
		out[i] = shapeRun(&list[i])
	}
	return ok(w, out)
}

// run answers GET /api/v1/dead-letters/runs/{id}/.
func (s *Service) run(w http.ResponseWriter, r *request) error {
	n, err := pathID(r)
	if err != nil {
		return err
	}
	run, err := s.Desk.Run(r.Context(), n)
	if err != nil {
		return orNotFound(err)
	}
	return ok(w, shapeRun(&run))
}

// cancelRun answers POST /api/v1/dead-letters/runs/{id}/cancel/.
func (s *Service) cancelRun(w http.ResponseWriter, r *request) error {
	n, err := pathID(r)
	if err != nil {
		return err
	}
	if _, err := s.Desk.Run(r.Context(), n); err != nil {
		return orNotFound(err)
	}
	if err := s.Desk.Cancel(r.Context(), r.who, n); err != nil {
		return err
	}
	return s.run(w, r)
}

// operatorActions answers GET /api/v1/operator-actions/, newest first.
func (s *Service) operatorActions(w http.ResponseWriter, r *request) error {
	list, err := s.Desk.Actions(r.Context())
	if err != nil {
		return err
	}
	out := make([]object, len(list))
	for i, a := range list {
		out[i] = object{"id": id(a.ID), "actor": a.Actor, "action": a.Action, "target": a.Target, "reason": a.Reason, "dateCreated": utc(a.CreatedAt)}
	}
	return ok(w, out)
}

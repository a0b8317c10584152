package ingest

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-dev/tocsin/internal/dsn"
	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/quota"
)

const (
	maxSlug      = 50        // characters of a monitor's slug
	maxCheckIn   = 100 << 10 // bytes of one check-in
	maxMonitors  = 20000     // monitors whose rates are remembered
	nilCheckIn   = "00000000000000000000000000000000"
	checkInField = "check_in_id"
)

// monitorRate is how often the runs of one monitor in one environment may be reported.
// Rule: getsentry/sentry src/sentry/monitors/constants.py
var monitorRate = quota.Rate{Count: 6, Window: time.Minute}

// checkIn is what a scheduled job says of one run.
// Rule: getsentry/relay relay-monitors/src/lib.rs
type checkIn struct {
	ID          string         `json:"check_in_id"` // 32 hex digits; all zeros for the latest run in progress
	Monitor     string         `json:"monitor_slug"`
	Status      string         `json:"status"`
	Environment string         `json:"environment,omitempty"`
	Duration    *float64       `json:"duration,omitempty"` // seconds
	Config      *monitorConfig `json:"monitor_config,omitempty"`
	Contexts    jsontext.Value `json:"contexts,omitempty"`
}

// monitorConfig is when a job is meant to run.
type monitorConfig struct {
	Schedule struct {
		Type  string         `json:"type"`
		Value jsontext.Value `json:"value"`
		Unit  string         `json:"unit,omitempty"`
	} `json:"schedule"`
	Margin    *float64 `json:"checkin_margin,omitempty"` // minutes
	Runtime   *float64 `json:"max_runtime,omitempty"`    // minutes
	Timezone  string   `json:"timezone,omitempty"`
	Failures  *float64 `json:"failure_issue_threshold,omitempty"`
	Recovered *float64 `json:"recovery_threshold,omitempty"`
	Owner     string   `json:"owner,omitempty"`
}

// valid reports whether there is a schedule that can be followed.
func (c *monitorConfig) valid() bool {
	switch c.Schedule.Type {
	case "crontab":
		return c.Schedule.Value.Kind() == '"'
	case "interval":
		n, err := strconv.ParseUint(string(c.Schedule.Value), 10, 32)
		switch c.Schedule.Unit {
		case "year", "month", "week", "day", "hour", "minute":
			return err == nil && n > 0
		}
	}
	return false
}

// readCheckIn reads a check-in with its slug cut, its id in one form, and its status one of ours.
// errJSON when it names no monitor or cannot be read.
func readCheckIn(payload []byte) (checkIn, error) {
	var c checkIn
	if err := json.Unmarshal(payload, &c, lax); err != nil {
		return c, errJSON
	}
	if runes := []rune(clip(c.Monitor, 4*maxSlug)); len(runes) > maxSlug {
		c.Monitor = string(runes[:maxSlug])
	}
	if c.ID == "" {
		c.ID = nilCheckIn
	}
	id, err := event.ParseID(c.ID)
	if err != nil || c.Monitor == "" || c.Config != nil && !c.Config.valid() {
		return c, errJSON
	}
	c.ID = id.String()
	switch c.Status {
	case "in_progress", "ok", "error":
	default:
		c.Status = "unknown"
	}
	return c, nil
}

// checkCheckIn judges a check-in and holds each monitor to its rate.
func (s *Service) checkCheckIn(q *request, it *envelope.Item) verdict {
	c, err := readCheckIn(it.Payload)
	if err != nil {
		return invalidItem(outcome.ReasonInvalidJSON)
	}
	name := strconv.FormatInt(q.client.project, 10) + "/" + c.Environment + "/" + c.Monitor
	if _, ok := s.monitors.Allow(name, monitorRate, 1); !ok {
		return verdict{kind: outcome.RateLimited, reason: outcome.ReasonMonitorRate, whole: true}
	}
	return verdict{}
}

// acceptCron answers a check-in by plain HTTP with an empty 202, whether or not a limit lets it
// pass. The key is in the path, or where all requests have it.
// Rule: getsentry/relay relay-server/src/endpoints/monitor.rs
func (s *Service) acceptCron(w http.ResponseWriter, r *http.Request) error {
	q, err := s.newRequest(r, outcome.Monitor)
	if text := chi.URLParam(r, "key"); text != "" && (err == nil || err == dsn.ErrMissing) {
		err = s.admitByPath(q, text, err)
	}
	if err != nil {
		return err
	}
	slug, err := url.PathUnescape(chi.URLParam(r, "monitor"))
	if err != nil {
		return fault.New(fault.Invalid, "invalid monitor slug")
	}
	c, err := s.cronCheckIn(w, r, q)
	if err != nil {
		return err
	}
	c["monitor_slug"] = quoted(slug)
	if c[checkInField] == nil {
		c[checkInField] = quoted(nilCheckIn)
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return errJSON
	}
	env := envelope.Envelope{Items: []envelope.Item{{Type: "check_in", Count: -1, Payload: payload}}}
	if rec, err := s.accept(r.Context(), q, &env); err != nil && !overQuota(rec, err) {
		return s.failed(w, rec, err)
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// admitByPath authenticates a request by a key in its path. missing is what the usual places gave.
func (s *Service) admitByPath(q *request, text string, missing error) error {
	if missing == nil {
		return dsn.ErrMultiple
	}
	key, err := dsn.ParseKey(text)
	if err != nil {
		return err
	}
	return s.admit(q, dsn.Auth{Key: key, Version: dsn.Version})
}

// errCheckIn answers a check-in without a status, or with parameters of another kind.
var errCheckIn = fault.New(fault.Invalid, "invalid check-in")

// cronCheckIn reads the check-in of a request: its JSON body, else its query.
func (s *Service) cronCheckIn(w http.ResponseWriter, r *http.Request, q *request) (fields, error) {
	if strings.HasPrefix(mediaType(r.Header.Get("Content-Type")), "application/json") {
		body, err := s.readBody(w, r, maxCheckIn)
		if err != nil {
			return nil, s.unreadable(q, err)
		}
		defer body.free()
		var c map[string]jsontext.Value
		if json.Unmarshal(body.b, &c, lax) != nil || c == nil {
			s.drop(q, outcome.Monitor, outcome.Invalid, outcome.ReasonInvalidJSON, 1)
			return nil, errJSON
		}
		f := make(fields, len(c))
		for name, v := range c {
			f[name] = []byte(v.Clone())
		}
		return f, nil
	}
	f := fields{}
	for _, name := range [...]string{"status", checkInField, "environment"} {
		if v := q.query.Get(name); v != "" {
			f[name] = quoted(v)
		}
	}
	bad := f["status"] == nil
	if id := q.query.Get(checkInField); id != "" {
		_, err := event.ParseID(id)
		bad = bad || err != nil
	}
	if v := q.query.Get("duration"); v != "" {
		seconds, err := strconv.ParseFloat(v, 64)
		number, encodeErr := json.Marshal(seconds) // fails for what JSON has no number for
		bad = bad || err != nil || encodeErr != nil
		f["duration"] = number
	}
	if bad {
		s.drop(q, outcome.Monitor, outcome.Invalid, outcome.ReasonPayload, 1)
		return nil, errCheckIn
	}
	return f, nil
}

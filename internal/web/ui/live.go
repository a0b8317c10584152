package ui

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/httpx"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// How live pages are told.
const (
	lookEvery = time.Second      // for issues seen again, while anybody listens
	beatEvery = 15 * time.Second // a comment keeps proxies from closing the connection
	goneAfter = time.Hour        // how far back a browser that comes back is told about
	feedRoom  = 16               // hints that a slow listener may have waiting
	lateFor   = 10 * time.Second // events may be stored so long after others that happened later
)

// hint tells that an issue was seen again.
type hint struct {
	ID      string    `json:"id"`
	Project string    `json:"project"`
	Events  int64     `json:"events"`
	Users   int64     `json:"users"`
	Seen    time.Time `json:"seen"`
	First   bool      `json:"first"` // it is new
}

// told is what one look found; At is where the next one goes on.
type told struct {
	hints []hint
	at    time.Time
}

// feeds look for changes, once for all listeners of an organization and only while there are any.
// The zero value is ready.
type feeds struct {
	mu   sync.Mutex
	open map[int64]*feed
}

type feed struct {
	listeners map[chan told]struct{}
	stop      context.CancelFunc
}

// listen returns what will be told about an organization, until leave is called.
func (f *feeds) listen(st *postgres.Store, org int64) (news chan told, leave func()) {
	news = make(chan told, feedRoom)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open == nil {
		f.open = make(map[int64]*feed)
	}
	o := f.open[org]
	if o == nil {
		ctx, cancel := context.WithCancel(context.Background())
		o = &feed{listeners: make(map[chan told]struct{}), stop: cancel}
		f.open[org] = o
		go f.watch(ctx, st, org, o)
	}
	o.listeners[news] = struct{}{}
	return news, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(o.listeners, news)
		if len(o.listeners) == 0 && f.open[org] == o {
			o.stop()
			delete(f.open, org)
		}
	}
}

// watch looks until the last listener has left.
func (f *feeds) watch(ctx context.Context, st *postgres.Store, org int64, o *feed) {
	at, toldOf := time.Now(), map[string]hint{}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		news, err := look(ctx, st, org, at, at.Add(-lateFor))
		if err != nil {
			continue // the next look asks for the same time
		}
		at = news.at
		if news = untold(news, toldOf, at.Add(-lateFor)); len(news.hints) == 0 {
			continue
		}
		f.mu.Lock()
		for l := range o.listeners {
			select {
			case l <- news:
			default: // a listener that does not read finds out when it comes back
			}
		}
		f.mu.Unlock()
	}
}

// untold leaves of news what listeners do not know yet, and notes that they do from now on. What was
// told before a moment is not looked at again and forgotten.
func untold(news told, toldOf map[string]hint, before time.Time) told {
	left := told{at: news.at}
	for _, h := range news.hints {
		if known, ok := toldOf[h.ID]; !ok || known.Events != h.Events || known.Users != h.Users {
			h.First = h.First && !ok
			toldOf[h.ID] = h
			left.hints = append(left.hints, h)
		}
	}
	for id, h := range toldOf {
		if h.Seen.Before(before) {
			delete(toldOf, id)
		}
	}
	return left
}

// look finds the issues seen since a moment, or a little earlier and stored late. Those that were not
// there at newAfter are new.
func look(ctx context.Context, st *postgres.Store, org int64, after, newAfter time.Time) (told, error) {
	list, err := st.IssueHints(ctx, org, after.Add(-lateFor))
	news := told{at: after}
	for _, h := range list {
		news.hints = append(news.hints, hint{ID: strconv.FormatInt(h.ID, 10), Project: strconv.FormatInt(h.Project, 10),
			Events: h.TimesSeen, Users: h.UserCount, Seen: h.LastSeen, First: h.FirstSeen.After(newAfter)})
		if h.LastSeen.After(news.at) {
			news.at = h.LastSeen
		}
	}
	return news, err
}

// live tells a browser what changes while its pages are open, as server-sent events. The id of each
// is the moment up to which all is told; a browser that comes back gives it, and nothing is missed.
// With once=1 it answers what is new and ends.
// Rule: https://html.spec.whatwg.org/multipage/server-sent-events.html
func (u *UI) live(v *visit) error {
	if err := v.principal.Require(account.EventRead); err != nil {
		return err
	}
	org, ctx := v.principal.Organization.ID, v.r.Context()
	after := since(v.r, v.base.Now)
	if v.r.URL.Query().Get("once") == "1" {
		news, err := look(ctx, u.Store, org, after, after)
		if err != nil {
			return err
		}
		v.w.Header().Set("X-Last-Event-ID", strconv.FormatInt(news.at.UnixMicro(), 10))
		return httpx.JSON(v.w, http.StatusOK, append([]hint{}, news.hints...))
	}
	news, leave := u.feeds.listen(u.Store, org)
	defer leave()
	w := http.NewResponseController(v.w)
	_ = w.SetWriteDeadline(time.Time{}) // some writers have none
	v.w.Header().Set("Content-Type", "text/event-stream")
	v.w.Header().Set("X-Accel-Buffering", "no")
	v.w.WriteHeader(http.StatusOK)
	_, _ = fmt.Fprint(v.w, "retry: 2000\n: hello\n\n")
	if missed, err := look(ctx, u.Store, org, after, after); err == nil && len(missed.hints) > 0 {
		tell(v.w, missed)
	}
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	for w.Flush() == nil {
		select {
		case <-ctx.Done():
			return nil
		case <-u.Done:
			return nil
		case n := <-news:
			tell(v.w, n)
		case <-beat.C:
			_, _ = fmt.Fprint(v.w, ": beat\n\n")
		}
	}
	return nil
}

// livePath is where a page that is drawn now hears what changes after it.
func (v *visit) livePath() string {
	return v.orgPath("/live") + "?after=" + strconv.FormatInt(v.base.Now.UnixMicro(), 10)
}

func tell(w http.ResponseWriter, n told) {
	text, err := json.Marshal(n.hints)
	if err != nil {
		return // hints are plain values
	}
	_, _ = fmt.Fprintf(w, "id: %d\nevent: issues\ndata: %s\n\n", n.at.UnixMicro(), text) // Flush reports who is gone
}

// since is the moment that a browser was told everything up to, within reason.
func since(r *http.Request, now time.Time) time.Time {
	for _, text := range []string{r.Header.Get("Last-Event-ID"), r.URL.Query().Get("after")} {
		if micros, err := strconv.ParseInt(text, 10, 64); err == nil {
			if at := time.UnixMicro(micros); at.After(now.Add(-goneAfter)) && at.Before(now.Add(time.Minute)) {
				return at
			}
		}
	}
	return now
}

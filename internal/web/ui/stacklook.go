package ui

import (
	"net/http"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// stackCookie remembers how a browser's reader last chose to have traces drawn.
const stackCookie = "tocsin-stack"

// stackLook is how the traces of the page are drawn: as the address says, else as last chosen. What
// the address says is remembered, except the version of frames, which is a matter of one event.
func (u *UI) stackLook(v *visit) view.StackLook {
	var l view.StackLook
	if c, err := v.r.Cookie(stackCookie); err == nil && len(c.Value) < 64 {
		for word := range strings.SplitSeq(c.Value, ".") {
			switch word {
			case "oldest":
				l.Oldest = true
			case "all":
				l.Full = true
			case "absolute":
				l.Absolute = true
			}
		}
	}
	before := l
	q := v.r.URL.Query()
	choose(q.Get("order"), "newest", "oldest", &l.Oldest)
	choose(q.Get("frames"), "in-app", "all", &l.Full)
	choose(q.Get("paths"), "short", "absolute", &l.Absolute)
	if l != before {
		u.rememberStack(v.w, l)
	}
	if version := q.Get("version"); version == "raw" || version == "both" {
		l.Version = version
	}
	return l
}

// choose sets a choice that the address makes.
func choose(word, no, yes string, choice *bool) {
	switch word {
	case no:
		*choice = false
	case yes:
		*choice = true
	}
}

func (u *UI) rememberStack(w http.ResponseWriter, l view.StackLook) {
	words := []string{"1"}
	for _, c := range []struct {
		on   bool
		word string
	}{{l.Oldest, "oldest"}, {l.Full, "all"}, {l.Absolute, "absolute"}} {
		if c.on {
			words = append(words, c.word)
		}
	}
	http.SetCookie(w, &http.Cookie{
		Name: stackCookie, Value: strings.Join(words, "."), Path: "/", MaxAge: 365 * 24 * 3600,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(u.BaseURL, "https://"),
	})
}

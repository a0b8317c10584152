package remote

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"
)

// IssueCmd groups the commands about issues.
type IssueCmd struct {
	List    IssueList    `cmd:"" help:"List issues that a query finds."`
	Show    IssueShow    `cmd:"" help:"Show an issue with the stack trace of its latest event."`
	Resolve IssueResolve `cmd:"" help:"Resolve issues."`
}

type issue struct {
	ID        string    `json:"id"`
	ShortID   string    `json:"shortId"`
	Title     string    `json:"title"`
	Culprit   string    `json:"culprit"`
	Level     string    `json:"level"`
	Status    string    `json:"status"`
	Substatus *string   `json:"substatus"`
	Count     string    `json:"count"`
	UserCount int64     `json:"userCount"`
	FirstSeen time.Time `json:"firstSeen"`
	LastSeen  time.Time `json:"lastSeen"`
	Permalink string    `json:"permalink"`
	Project   struct {
		Slug string `json:"slug"`
	} `json:"project"`
}

// IssueList lists issues.
type IssueList struct {
	Server
	Query   string   `help:"Query in the issue search language." default:"is:unresolved"`
	Project []string `help:"Only these projects, by slug."`
	Sort    string   `help:"Order: date, new, freq or user." default:"date" enum:"date,new,freq,user"`
	Limit   int      `help:"How many at most." default:"25"`
}

// Run implements the command.
func (l *IssueList) Run(ctx context.Context, out io.Writer) error {
	c, err := l.Client()
	if err != nil {
		return err
	}
	list := []issue{}
	q := url.Values{"query": {l.Query}, "sort": {l.Sort}, "project": l.Project, "limit": {fmt.Sprint(min(max(l.Limit, 1), 100))}}
	err = Each(ctx, c, c.OrgPath("issues/"), q, max(l.Limit, 1), func(i issue) (bool, error) {
		list = append(list, i)
		return true, nil
	})
	if err != nil {
		return err
	}
	return l.print(out, list, func(w io.Writer) error {
		t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
		fmt.Fprintln(t, "ISSUE\tSTATUS\tEVENTS\tUSERS\tLAST SEEN\tTITLE") // Flush reports
		for _, i := range list {
			fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\n", i.ShortID, i.Status, i.Count, i.UserCount, i.LastSeen.Format("2006-01-02 15:04"), plain(i.Title, 100))
		}
		return t.Flush()
	})
}

// plain keeps a title from driving the terminal: control characters are left out.
func plain(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return -1
		}
		return r
	}, s)
	if r := []rune(s); len(r) > limit {
		return string(r[:limit]) + "…"
	}
	return s
}

// IssueShow shows one issue.
type IssueShow struct {
	Server
	Issue string `arg:"" help:"Short id (SHOP-1F2) or id."`
	Event string `help:"Which event: latest, oldest, recommended or an id." default:"latest"`
}

type eventView struct {
	EventID     string `json:"eventID"`
	DateCreated string `json:"dateCreated"`
	Tags        []struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	} `json:"tags"`
	Entries []struct {
		Type string `json:"type"`
		Data struct {
			Formatted string          `json:"formatted"`
			Values    []exceptionView `json:"values"`
		} `json:"data"`
	} `json:"entries"`
}

type exceptionView struct {
	Type       string `json:"type"`
	Value      any    `json:"value"` // of threads and breadcrumbs it is something else
	Stacktrace *struct {
		Frames []struct {
			Filename string `json:"filename"`
			Function string `json:"function"`
			LineNo   int    `json:"lineNo"`
			InApp    bool   `json:"inApp"`
		} `json:"frames"`
	} `json:"stacktrace"`
}

// Run implements the command.
func (s *IssueShow) Run(ctx context.Context, out io.Writer) error {
	c, err := s.Client()
	if err != nil {
		return err
	}
	path := c.OrgPath("issues/" + url.PathEscape(s.Issue) + "/")
	var i issue
	if _, err := c.Call(ctx, http.MethodGet, path, nil, nil, &i); err != nil {
		return err
	}
	var raw map[string]any
	if _, err := c.Call(ctx, http.MethodGet, path+"events/"+url.PathEscape(s.Event)+"/", nil, nil, &raw); err != nil {
		return err
	}
	if s.JSON {
		return s.print(out, map[string]any{"issue": i, "event": raw}, nil)
	}
	var e eventView
	if _, err := c.Call(ctx, http.MethodGet, path+"events/"+url.PathEscape(s.Event)+"/", nil, nil, &e); err != nil {
		return err
	}
	return showIssue(out, i, e)
}

func showIssue(w io.Writer, i issue, e eventView) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n%s\n%s · %s · %s events · %d users · first %s · last %s\n%s\n", i.ShortID, plain(i.Title, 300), plain(i.Culprit, 200), i.Status, i.Level,
		i.Count, i.UserCount, i.FirstSeen.Format(time.RFC3339), i.LastSeen.Format(time.RFC3339), i.Permalink)
	fmt.Fprintf(&b, "\nevent %s of %s\n", e.EventID, e.DateCreated)
	for _, entry := range e.Entries {
		if entry.Type == "message" {
			fmt.Fprintf(&b, "\n%s\n", plain(entry.Data.Formatted, 2000))
		}
		if entry.Type != "exception" {
			continue
		}
		for n := len(entry.Data.Values) - 1; n >= 0; n-- {
			x := entry.Data.Values[n]
			fmt.Fprintf(&b, "\n%s: %s\n", plain(x.Type, 200), plain(fmt.Sprint(x.Value), 1000))
			if x.Stacktrace == nil {
				continue
			}
			for k := len(x.Stacktrace.Frames) - 1; k >= 0; k-- {
				f := x.Stacktrace.Frames[k]
				mark := " "
				if f.InApp {
					mark = "*"
				}
				fmt.Fprintf(&b, "  %s %s  %s:%d\n", mark, plain(f.Function, 120), plain(f.Filename, 200), f.LineNo)
			}
		}
	}
	for n, t := range e.Tags {
		if n == 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s=%s  ", plain(t.Key, 60), plain(t.Value, 120))
	}
	b.WriteString("\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// IssueResolve resolves issues.
type IssueResolve struct {
	Server
	Issues        []string `arg:"" help:"Short ids or ids."`
	InNextRelease bool     `help:"Resolve in the next release rather than at once."`
}

// Run implements the command.
func (r *IssueResolve) Run(ctx context.Context, out io.Writer) error {
	c, err := r.Client()
	if err != nil {
		return err
	}
	body := map[string]any{"status": "resolved"}
	if r.InNextRelease {
		body["statusDetails"] = map[string]any{"inNextRelease": true}
	}
	done := []issue{}
	for _, name := range r.Issues {
		var i issue
		if _, err := c.Call(ctx, http.MethodPut, c.OrgPath("issues/"+url.PathEscape(name)+"/"), nil, body, &i); err != nil {
			return err
		}
		done = append(done, i)
	}
	return r.print(out, done, func(w io.Writer) error {
		for _, i := range done {
			if _, err := fmt.Fprintf(w, "%s is %s\n", i.ShortID, i.Status); err != nil {
				return err
			}
		}
		return nil
	})
}

package ui

import (
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// issueRow is an issue as the list shows it; prefix is the address that short ids follow.
func issueRow(r *postgres.IssueRow, prefix string, now time.Time) view.Row {
	kind, value := titleParts(r)
	return view.Row{
		ID: strconv.FormatInt(r.ID, 10), Href: prefix + r.ShortID, ShortID: r.ShortID, Project: r.ProjectName,
		Level: view.LevelOf(r.Level), Type: kind, Value: firstLine(value), Culprit: r.Culprit,
		Badge: badge(r, now), Unhandled: r.IsUnhandled, Priority: r.Priority.String(), Events: r.TimesSeen, Users: r.UserCount,
		FirstSeen: r.FirstSeen, LastSeen: r.LastSeen,
	}
}

// titleParts splits what an issue is called into the part to stress and the rest.
func titleParts(r *postgres.IssueRow) (kind, value string) {
	if r.Metadata.Type == "" {
		return r.Title, ""
	}
	return r.Metadata.Type, r.Metadata.Value
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// newFor is how long an issue counts as new; see issue.SettleAfter for what is stored.
const newFor = issue.SettleAfter

// badge is the word for where an issue stands. Ongoing, the ordinary state, needs none.
func badge(r *postgres.IssueRow, now time.Time) view.Badge {
	switch r.Status {
	case issue.Resolved:
		return view.Badge{Word: "resolved", Class: "resolved"}
	case issue.Archived:
		return view.Badge{Word: "muted", Class: "archived"}
	}
	switch r.Substatus {
	case issue.New:
		if now.Sub(r.FirstSeen) < newFor {
			return view.Badge{Word: "new", Class: "new"}
		}
	case issue.Regressed:
		return view.Badge{Word: "regressed", Class: "regressed"}
	case issue.Escalating:
		return view.Badge{Word: "escalating", Class: "escalating"}
	}
	return view.Badge{}
}

// resolutionWords says how far a resolution reaches.
func resolutionWords(r *issue.Resolution) string {
	switch {
	case r == nil:
		return ""
	case r.InRelease != "":
		return "fixed in release " + r.InRelease
	case r.InNextRelease:
		return "fixed in the next release"
	}
	return ""
}

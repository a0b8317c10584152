package webhook

import (
	"strconv"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/issue"
)

// The forms of a message.
const (
	FormatSentry = "sentry" // event_alert of the integration platform
	FormatIssue  = "issue"  // issue of the integration platform
	FormatLegacy = "legacy" // the WebHooks plugin
	FormatTocsin = "tocsin" // ours
)

type issueBody struct {
	Action       string       `json:"action"`
	Actor        actor        `json:"actor"`
	Data         issueData    `json:"data"`
	Installation installation `json:"installation"`
	Tocsin       account      `json:"tocsin"`
}

type issueData struct {
	Issue issuePart `json:"issue"`
}

// legacyBody is what the WebHooks plugin posts.
// Rule: getsentry/sentry src/sentry_plugins/webhooks (get_group_data)
type legacyBody struct {
	ID              string    `json:"id"`
	Project         string    `json:"project"`
	ProjectName     string    `json:"project_name"`
	ProjectSlug     string    `json:"project_slug"`
	Logger          *string   `json:"logger"`
	Level           string    `json:"level"`
	Culprit         string    `json:"culprit"`
	Message         string    `json:"message"`
	URL             string    `json:"url"`
	TriggeringRules []string  `json:"triggering_rules"`
	Event           eventPart `json:"event"`
}

func renderLegacy(n *alert.Notice) legacyBody {
	c := &n.Change
	return legacyBody{
		ID: strconv.FormatInt(c.Issue, 10), Project: c.ProjectSlug, ProjectName: c.ProjectName, ProjectSlug: c.ProjectSlug,
		Logger: optional(c.Logger), Level: c.Level, Culprit: c.Culprit, Message: c.Title, URL: n.IssueURL(),
		TriggeringRules: []string{n.Rule.Name}, Event: renderEvent(n),
	}
}

// ownDigest is several alerts in our own account.
type ownDigest struct {
	Alerts int           `json:"alerts"`
	Total  int           `json:"total"`
	From   time.Time     `json:"from"`
	To     time.Time     `json:"to"`
	Issues []digestIssue `json:"issues"`
}

type digestIssue struct {
	ShortID   string    `json:"short_id"`
	URL       string    `json:"url"`
	Title     string    `json:"title"`
	Level     string    `json:"level"`
	Change    string    `json:"change"`
	Alerts    int       `json:"alerts"`
	TimesSeen int64     `json:"times_seen"`
	UserCount int64     `json:"user_count"`
	FirstSeen time.Time `json:"first_seen"`
}

func renderDigest(n *alert.Notice) *ownDigest {
	if n.Digest == nil {
		return nil
	}
	d := n.Digest
	out := &ownDigest{Alerts: d.Alerts, Total: d.Total, From: d.From.UTC(), To: d.To.UTC(), Issues: []digestIssue{}}
	for _, i := range d.Issues {
		out.Issues = append(out.Issues, digestIssue{i.ShortID, n.PageOf(i.ShortID), i.Title, i.Level, string(i.Change), i.Alerts,
			i.TimesSeen, i.UserCount, i.FirstSeen.UTC()})
	}
	return out
}

// status is the issue's, as the wire says it.
func status(c *issue.Change) string {
	if c.Status == "" {
		return "unresolved"
	}
	return c.Status
}

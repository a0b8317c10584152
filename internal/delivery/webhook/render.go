package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/issue"
)

// maxTextBytes bounds each text of a message.
const maxTextBytes = 2048

// maxSafeInteger is the largest integer that JavaScript keeps exact.
const maxSafeInteger = 1<<53 - 1

// body is the message: what receivers of issue alerts know, and under "tocsin" our own account.
type body struct {
	Action       string       `json:"action"`
	Actor        actor        `json:"actor"`
	Data         data         `json:"data"`
	Installation installation `json:"installation"`
	Tocsin       account      `json:"tocsin"`
}

type actor struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Name string `json:"name"`
}

type installation struct {
	UUID string `json:"uuid"`
}

type data struct {
	Event         eventPart `json:"event"`
	Issue         issuePart `json:"issue"`
	TriggeredRule string    `json:"triggered_rule"`
}

type eventPart struct {
	EventID     string            `json:"event_id"`
	Project     any               `json:"project"` // number, or text where JavaScript would round it
	Release     *string           `json:"release"`
	Platform    string            `json:"platform"`
	Message     string            `json:"message"`
	Datetime    time.Time         `json:"datetime"`
	Timestamp   float64           `json:"timestamp"`
	Level       string            `json:"level"`
	Logger      string            `json:"logger"`
	Culprit     string            `json:"culprit"`
	Title       string            `json:"title"`
	Type        string            `json:"type"`
	Version     string            `json:"version"`
	Environment *string           `json:"environment"`
	Metadata    map[string]string `json:"metadata"`
	Tags        [][2]string       `json:"tags"`
	URL         string            `json:"url"`
	WebURL      string            `json:"web_url"`
	IssueURL    string            `json:"issue_url"`
	IssueID     string            `json:"issue_id"`
}

type issuePart struct {
	ID        string            `json:"id"`
	ShortID   string            `json:"shortId"`
	Title     string            `json:"title"`
	Culprit   string            `json:"culprit"`
	Level     string            `json:"level"`
	Platform  string            `json:"platform"`
	Logger    string            `json:"logger"`
	Type      string            `json:"type"`
	Status    string            `json:"status"`
	Substatus string            `json:"substatus"`
	Count     string            `json:"count"`
	FirstSeen time.Time         `json:"firstSeen"`
	LastSeen  time.Time         `json:"lastSeen"`
	Metadata  map[string]string `json:"metadata"`
	Permalink string            `json:"permalink"`
	WebURL    string            `json:"web_url"`
	URL       string            `json:"url"`
	Project   projectPart       `json:"project"`
}

type projectPart struct {
	ID       string `json:"id"`
	Slug     string `json:"slug"`
	Name     string `json:"name"`
	Platform string `json:"platform,omitempty"`
}

// account is our own part of the message; doc.go explains its members.
type account struct {
	Version      int         `json:"version"`
	DeliveryID   string      `json:"delivery_id"`
	Kind         string      `json:"kind"`
	Test         bool        `json:"test"`
	Change       string      `json:"change"`
	At           time.Time   `json:"at"`
	Rule         rulePart    `json:"rule"`
	Organization string      `json:"organization"`
	Project      projectPart `json:"project"`
	Issue        ownIssue    `json:"issue"`
	Event        ownEvent    `json:"event"`
	Digest       *ownDigest  `json:"digest,omitempty"`
}

type rulePart struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type ownIssue struct {
	ID        string    `json:"id"`
	ShortID   string    `json:"short_id"`
	URL       string    `json:"url"`
	Title     string    `json:"title"`
	Culprit   string    `json:"culprit"`
	Level     string    `json:"level"`
	Platform  string    `json:"platform"`
	FirstSeen time.Time `json:"first_seen"`
	TimesSeen int64     `json:"times_seen"`
	UserCount int64     `json:"user_count"`
	Status    string    `json:"status"`
	Priority  string    `json:"priority"`
	Assignee  string    `json:"assignee"`
}

type ownEvent struct {
	ID          string `json:"id"`
	Release     string `json:"release"`
	Environment string `json:"environment"`
	Frame       string `json:"frame"`
	Code        string `json:"code"`
}

// Render returns the message as compact JSON: no HTML escapes and no escaped letters, because
// receivers parse and print it again before they check the signature.
// Rule: https://docs.sentry.io/organization/integrations/integration-platform/webhooks/issue-alerts/
func (c *Channel) Render(n *alert.Notice, s delivery.Settings) ([]byte, error) {
	n = tidy(n)
	account := renderAccount(n)
	if n.Digest != nil {
		account.Digest = renderDigest(n)
	}
	switch s["format"] {
	case FormatTocsin:
		return delivery.JSON(account)
	case FormatLegacy:
		return delivery.JSON(renderLegacy(n))
	case FormatIssue:
		return delivery.JSON(issueBody{issueAction(n.Change.Kind), whoActed(n), issueData{renderIssue(n)}, installation{installationID(n.BaseURL)}, account})
	}
	action := "triggered"
	if n.Kind == alert.NoticeResolve {
		action = "resolved"
	}
	return delivery.JSON(body{
		Action:       action,
		Actor:        actor{"application", "sentry", "Sentry"},
		Data:         data{renderEvent(n), renderIssue(n), n.Rule.Name},
		Installation: installation{installationID(n.BaseURL)},
		Tocsin:       account,
	})
}

// issueAction is the wire's word for what became of an issue.
func issueAction(k issue.ChangeKind) string {
	switch k {
	case issue.ChangeResolved, issue.ChangeAssigned, issue.ChangeArchived, issue.ChangeUnresolved:
		return string(k)
	case issue.ChangeRegressed, issue.ChangeReappeared, issue.ChangeEscalating:
		return "unresolved"
	}
	return "created"
}

func whoActed(n *alert.Notice) actor {
	if n.Change.Actor == 0 {
		return actor{"application", "sentry", "Sentry"}
	}
	return actor{"user", strconv.FormatInt(n.Change.Actor, 10), ""}
}

func renderEvent(n *alert.Notice) eventPart {
	c := &n.Change
	var project any = c.Project
	if c.Project > maxSafeInteger {
		project = strconv.FormatInt(c.Project, 10)
	}
	tags := [][2]string{}
	tags = append(tags, n.Detail.Tags...)
	if len(tags) > 0 {
		return eventOf(n, project, tags)
	}
	for _, t := range [][2]string{{"environment", c.Environment}, {"level", c.Level}, {"logger", c.Logger}, {"release", c.Release}} {
		if t[1] != "" {
			tags = append(tags, t)
		}
	}
	return eventOf(n, project, tags)
}

func eventOf(n *alert.Notice, project any, tags [][2]string) eventPart {
	c := &n.Change
	return eventPart{
		EventID: c.EventID, Project: project, Release: optional(c.Release), Platform: c.Platform, Message: c.Title,
		Datetime: c.At, Timestamp: float64(c.At.UnixMilli()) / 1000, Level: c.Level, Logger: c.Logger, Culprit: c.Culprit,
		Title: c.Title, Type: c.Type, Version: "7", Environment: optional(c.Environment),
		Metadata: map[string]string{"title": c.Title}, Tags: tags,
		URL:      n.BaseURL + "/api/0/projects/" + c.Org + "/" + c.ProjectSlug + "/events/" + c.EventID + "/",
		WebURL:   n.IssueURL() + "/events/" + c.EventID,
		IssueURL: issueAPI(n), IssueID: strconv.FormatInt(c.Issue, 10),
	}
}

func renderIssue(n *alert.Notice) issuePart {
	c := &n.Change
	return issuePart{
		ID: strconv.FormatInt(c.Issue, 10), ShortID: c.ShortID, Title: c.Title, Culprit: c.Culprit, Level: c.Level,
		Platform: c.Platform, Logger: c.Logger, Type: c.Type, Status: status(c), Substatus: c.Substatus,
		Count: strconv.FormatInt(c.TimesSeen, 10), FirstSeen: c.FirstSeen, LastSeen: c.At,
		Metadata: map[string]string{"title": c.Title}, Permalink: n.IssueURL(), WebURL: n.IssueURL(), URL: issueAPI(n),
		Project: renderProject(n),
	}
}

func renderAccount(n *alert.Notice) account {
	c := &n.Change
	return account{
		Version: 1, DeliveryID: strconv.FormatInt(n.Delivery, 10), Kind: string(n.Kind), Test: n.Test(), Change: string(c.Kind), At: c.At,
		Rule: rulePart{strconv.FormatInt(n.Rule.ID, 10), n.Rule.Name}, Organization: c.Org, Project: renderProject(n),
		Issue: ownIssue{
			ID: strconv.FormatInt(c.Issue, 10), ShortID: c.ShortID, URL: n.IssueURL(), Title: c.Title, Culprit: c.Culprit,
			Level: c.Level, Platform: c.Platform, FirstSeen: c.FirstSeen, TimesSeen: c.TimesSeen,
			UserCount: c.UserCount, Status: c.Status, Priority: c.Priority, Assignee: c.Assignee,
		},
		Event: ownEvent{c.EventID, c.Release, c.Environment, n.Detail.Frame, n.Detail.Code},
	}
}

func renderProject(n *alert.Notice) projectPart {
	c := &n.Change
	return projectPart{strconv.FormatInt(c.Project, 10), c.ProjectSlug, c.ProjectName, c.Platform}
}

func issueAPI(n *alert.Notice) string {
	return n.BaseURL + "/api/0/organizations/" + n.Change.Org + "/issues/" + strconv.FormatInt(n.Change.Issue, 10) + "/"
}

// installationID is stable for one installation and has the form of a UUID.
func installationID(base string) string {
	sum := sha256.Sum256([]byte("tocsin installation " + base))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80 // version 8, custom
	x := hex.EncodeToString(sum[:16])
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// tidy returns a copy of n whose texts are short, valid, on one line, and print in JSON as
// JavaScript prints them.
func tidy(n *alert.Notice) *alert.Notice {
	t := *n
	c := &t.Change
	for _, s := range []*string{
		&t.Rule.Name, &c.ProjectSlug, &c.ProjectName, &c.Org, &c.ShortID, &c.Title, &c.Culprit, &c.Type, &c.Level,
		&c.Platform, &c.Logger, &c.Release, &c.Environment, &c.EventID, &t.Detail.Frame, &t.Detail.Code,
	} {
		*s = delivery.Line(*s, maxTextBytes)
	}
	t.Detail.Tags = make([][2]string, len(n.Detail.Tags))
	for i, tag := range n.Detail.Tags {
		t.Detail.Tags[i] = [2]string{delivery.Line(tag[0], maxTextBytes), delivery.Line(tag[1], maxTextBytes)}
	}
	if n.Digest != nil {
		d := *n.Digest
		d.Issues = slices.Clone(d.Issues)
		for i := range d.Issues {
			of := &d.Issues[i]
			of.Title, of.ShortID, of.FirstSeen = delivery.Line(of.Title, maxTextBytes), delivery.Line(of.ShortID, maxTextBytes), of.FirstSeen.Truncate(time.Millisecond)
		}
		d.From, d.To, t.Digest = d.From.Truncate(time.Millisecond), d.To.Truncate(time.Millisecond), &d
	}
	c.FirstSeen, c.At = c.FirstSeen.UTC().Truncate(time.Millisecond), c.At.UTC().Truncate(time.Millisecond)
	return &t
}

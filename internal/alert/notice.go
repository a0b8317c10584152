package alert

import (
	"time"

	"github.com/tocsin-dev/tocsin/internal/issue"
)

// Notice is what a channel renders a message from.
type Notice struct {
	Delivery int64
	Rule     Rule
	Change   issue.Change
	BaseURL  string // of this installation, without a trailing slash
	Test     bool   // a sample sent by hand
}

// IssueURL is the page of the issue.
func (n *Notice) IssueURL() string {
	return n.BaseURL + "/o/" + n.Change.Org + "/issues/" + n.Change.ShortID
}

// Sample is a change that never happened, for tests sent by hand.
func Sample(project int64, org, slug, name string, now time.Time) issue.Change {
	return issue.Change{
		Kind: issue.ChangeNew, Project: project, ProjectSlug: slug, ProjectName: name, Org: org,
		ShortID: "SAMPLE-1", Title: "SampleError: this is a test of an alert rule", Culprit: "sample.handler",
		Type: "error", Level: "error", Platform: "other", Release: "sample@1.0.0", Environment: "production",
		EventID: "00000000000000000000000000000000", FirstSeen: now, TimesSeen: 1, At: now,
	}
}

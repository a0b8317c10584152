package issue

// Verdict is what would become of an event.
type Verdict string

// The verdicts of a rehearsal.
const (
	WouldBeStored   Verdict = "stored"
	WouldBeFiltered Verdict = "filtered"
	WouldFail       Verdict = "failed" // it would be dead-lettered again
)

// Rehearsal is what would become of an event if it were processed now.
type Rehearsal struct {
	Verdict  Verdict `json:"verdict"`
	Reason   string  `json:"reason,omitempty"` // why it would be filtered or fail
	Title    string  `json:"title,omitempty"`
	Culprit  string  `json:"culprit,omitempty"`
	Issue    int64   `json:"issue,omitempty"` // that it would join
	NewIssue bool    `json:"new_issue,omitempty"`
}

package alert

import (
	"encoding/json"
	"time"
)

// DeliveryState is where a delivery stands. The numbers are stored.
type DeliveryState int16

// The states of a delivery. Only queued ones are worked on.
const (
	DeliveryQueued     DeliveryState = 0
	DeliverySent       DeliveryState = 1
	DeliveryFailed     DeliveryState = 2
	DeliverySuppressed DeliveryState = 3
	DeliveryFolded     DeliveryState = 4 // told, or to be told, in a digest
)

var stateNames = [...]string{"queued", "sent", "failed", "suppressed", "folded"}

// StateNames lists the states in the order of their numbers.
func StateNames() []string { return stateNames[:] }

// String names the state in lower case.
func (s DeliveryState) String() string {
	if s < 0 || int(s) >= len(stateNames) {
		return "unknown"
	}
	return stateNames[s]
}

// ParseDeliveryState reads what String wrote; ok is false for anything else.
func ParseDeliveryState(name string) (s DeliveryState, ok bool) {
	for i, n := range stateNames {
		if n == name {
			return DeliveryState(i), true
		}
	}
	return 0, false
}

// Delivery is one message to one destination and how it fared: an entry of the delivery log.
type Delivery struct {
	ID            int64
	Project       int64
	Rule          int64 // zero: no rule asked for it
	Change        int64 // issue.Change.ID; negative for tests sent by hand and messages of our own
	Action        int16 // index of the rule's action
	Issue         int64 // zero: it is about none
	Kind          NoticeKind
	Lane          string // the queue it stands in
	Destination   int64  // zero: a person, or a draft
	User          int64  // the person; zero: a destination
	Channel       string
	Target        string // what may be shown of the destination
	State         DeliveryState
	Reason        string     // why it was suppressed, folded or given up; empty otherwise
	Digest        int64      // the delivery that tells of it, when it is folded
	AttemptCount  int        // tries so far, one in progress included
	NextAttemptAt *time.Time // queued: when it is tried next
	CreatedAt     time.Time
	QueuedAt      time.Time  // created, or last redelivered by hand
	FinishedAt    *time.Time // sent, failed or suppressed
}

// IsTest reports whether somebody sent the message by hand to see whether it arrives.
func (d *Delivery) IsTest() bool { return d.Kind == NoticeTest }

// Job is a delivery with what is needed to send it.
type Job struct {
	Delivery
	// Notice is what the message is made of, JSON of NoticeSeed. Payload is what was made of it
	// before the first try; empty until then. Every try sends the same bytes.
	Notice       json.RawMessage
	Payload      []byte
	Settings     string // of the destination, sealed for Organization
	Organization int64
	Address      string // of the person, for mail
	Thread       string // what the channel said of the first message about the issue; empty: none
	// FirstAttempt is how many tries preceded QueuedAt: the ladder of delays starts anew when a
	// delivery is sent again by hand.
	FirstAttempt int
	// Frequency is the rule's: storing the job suppresses it when the rule spoke about the issue
	// less than this ago.
	Frequency time.Duration `db:"-"`
	// Noise is the lane's budget; QuietUntil, when it is not zero, holds the message back.
	Noise      Noise     `db:"-"`
	QuietUntil time.Time `db:"-"`
	// Silent, when it is not empty, is why the message is only logged.
	Silent string `db:"-"`
	// Escalation, of one job of a rule's, is what happens when nobody acknowledges.
	Escalation *Escalation `db:"-"`
}

// Attempt is one try of a delivery.
type Attempt struct {
	Number    int // from 1; a number that is missing was cut off by a crash
	StartedAt time.Time
	Duration  time.Duration // milliseconds count
	Status    int           // HTTP or SMTP status; 0 when there was no answer
	Error     string        // why it does not count as delivered; empty when it does
	Response  string        // head of the answer, at most 1 KiB, valid UTF-8
}

// TestRequest asks the notifier to send a sample alert now, once: through action Action of rule
// Rule, through Destination, or through Draft, the first of them that is set from the end.
type TestRequest struct {
	Project      int64  `json:"project"`
	Organization int64  `json:"organization,omitempty"` // of Destination
	Rule         int64  `json:"rule,omitempty"`
	Action       int16  `json:"action,omitempty"`
	Destination  int64  `json:"destination,omitempty"`
	Draft        *Draft `json:"draft,omitempty"`
	User         int64  `json:"user,omitempty"` // who asks: the sample of a personal action goes there
}

// Draft is a destination that is not stored yet.
type Draft struct {
	Channel  string `json:"channel"`
	Target   string `json:"target"`
	Settings string `json:"settings"` // sealed
}

// TestResult is how a sample alert fared.
type TestResult struct {
	Delivery int64         `json:"delivery"` // its entry in the delivery log
	State    DeliveryState `json:"state"`    // DeliverySent or DeliveryFailed
	Attempt  Attempt       `json:"attempt"`
}

// MaxRedeliver is how many deliveries one RedeliverRequest may name.
const MaxRedeliver = 100

// RedeliverRequest asks the notifier to send finished deliveries of a project again, with the same
// bytes and ids.
type RedeliverRequest struct {
	Project    int64   `json:"project"`
	Deliveries []int64 `json:"deliveries"` // at most MaxRedeliver
}

// RedeliverResult lists the deliveries that were queued again; those that are still queued, or do
// not exist in the project, are left out.
type RedeliverResult struct {
	Queued []int64 `json:"queued"`
}

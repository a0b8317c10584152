package alert

import "time"

// DeliveryState is where a delivery stands. The numbers are stored.
type DeliveryState int16

// The states of a delivery. Only queued ones are worked on.
const (
	DeliveryQueued     DeliveryState = 0
	DeliverySent       DeliveryState = 1
	DeliveryFailed     DeliveryState = 2
	DeliverySuppressed DeliveryState = 3
)

var stateNames = [...]string{"queued", "sent", "failed", "suppressed"}

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
	Rule          int64 // zero: a test of settings that no rule holds yet
	Change        int64 // issue.Change.ID; negative for tests sent by hand
	Action        int16 // index of the rule's action
	Issue         int64 // zero: a test
	Channel       string
	Target        string // what may be shown of the destination
	State         DeliveryState
	Reason        string     // why it was suppressed or given up; empty otherwise
	AttemptCount  int        // tries so far, one in progress included
	NextAttemptAt *time.Time // queued: when it is tried next
	CreatedAt     time.Time
	QueuedAt      time.Time  // created, or last redelivered by hand
	FinishedAt    *time.Time // sent, failed or suppressed
}

// IsTest reports whether somebody sent the message by hand to see whether it arrives.
func (d *Delivery) IsTest() bool { return d.Change < 0 }

// Job is a delivery with what is needed to send it. Payload is rendered once, so that every try
// sends the same bytes; Settings are the action's at that time, sealed.
type Job struct {
	Delivery
	Payload  []byte
	Settings string
	// FirstAttempt is how many tries preceded QueuedAt: the ladder of delays starts anew when a
	// delivery is sent again by hand.
	FirstAttempt int
	// Frequency is the rule's: storing the job suppresses it when the rule spoke about the issue
	// less than this ago.
	Frequency time.Duration
}

// Attempt is one try of a delivery.
type Attempt struct {
	Number    int // from 1; a number that is missing was cut off by a crash
	StartedAt time.Time
	Duration  time.Duration // milliseconds count
	Status    int           // HTTP status; 0 when there was no answer
	Error     string        // why it does not count as delivered; empty when it does
	Response  string        // head of the answer, at most 1 KiB, valid UTF-8
}

// TestRequest asks the notifier to send a sample alert now, once: through action Action of rule
// Rule, or through Draft when that is not nil.
type TestRequest struct {
	Project int64   `json:"project"`
	Rule    int64   `json:"rule,omitempty"`
	Action  int16   `json:"action,omitempty"`
	Draft   *Action `json:"draft,omitempty"` // settings that are not stored yet, sealed
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

// Package outcome names what became of each item a client sent: one outcome per item and category.
//
// Rule: getsentry/relay relay-base-schema/src/data_category.rs and
// relay-server/src/services/outcome.rs
package outcome

import "time"

// Kind is what became of an item. The numbers are the protocol's.
type Kind int16

// The outcomes.
const (
	Accepted           Kind = 0
	Filtered           Kind = 1
	RateLimited        Kind = 2
	Invalid            Kind = 3
	Abuse              Kind = 4
	ClientDiscard      Kind = 5
	CardinalityLimited Kind = 6

	// Received is no outcome and none of the protocol's: it counts what came in, whatever became of
	// it. In the ledger it is the side that the outcomes, but ClientDiscard, must add up to.
	Received Kind = -1
)

// Category groups item types for counting and limiting. The numbers are the protocol's.
type Category int16

// The categories SDKs and this server use.
const (
	Default        Category = 0
	Error          Category = 1
	Transaction    Category = 2
	Security       Category = 3
	Attachment     Category = 4
	Session        Category = 5
	Profile        Category = 6
	Replay         Category = 7
	Monitor        Category = 10
	Span           Category = 12
	Feedback       Category = 14
	MetricBucket   Category = 15
	ProfileChunk   Category = 18
	ReplayVideo    Category = 20
	AttachmentItem Category = 22
	LogItem        Category = 23
	LogByte        Category = 24
	ProfileChunkUI Category = 26
	TraceMetric    Category = 33
	ProfileBackend Category = 35
	ProfileUI      Category = 36
	UnknownItem    Category = -1
)

// Key is what quantities are summed by.
type Key struct {
	Project  int64     `json:"p"`
	KeyID    int64     `json:"k"` // client key, 0 when the request named none we know
	Category Category  `json:"c"`
	Kind     Kind      `json:"o"`
	Reason   string    `json:"r"`
	Minute   time.Time `json:"m"` // start of the UTC minute
}

// Count is a quantity under a key.
type Count struct {
	Key
	Quantity int64 `json:"q"`
}

// Batch is what ingest hands over: counts summed over a moment, with an id by which a
// redelivery is recognised.
type Batch struct {
	ID     [16]byte `json:"id"`
	Counts []Count  `json:"counts"`
}

package bus

import (
	"slices"
	"time"
)

// Admin is the identity that creates streams, consumers and buckets and looks after dead letters.
// It is not a service: no long-running program uses it.
const Admin = "admin"

// Graph is the bindings file, validated: every service and every edge between two of them.
type Graph struct {
	Services map[string]Service
	Calls    map[string]CallPolicy
	Queues   map[string]QueuePolicy
	Buckets  map[string]BucketPolicy
	External map[string]ExternalPolicy
}

// Service is one program, with the hints from which deployments are sized.
type Service struct {
	About    string
	Replicas int
	Memory   string // a Kubernetes quantity, such as 256Mi
	CPU      string // a Kubernetes quantity, such as 250m
	Observes bool   // may read the state of every stream and consumer
	Operates bool   // may also list, replay and discard dead letters, and pause queues
}

// Fallback says what a failed call gives its caller.
type Fallback string

// The fallbacks: the error itself, or a value that the caller's own function makes.
const (
	FallbackError  Fallback = "error"
	FallbackCaller Fallback = "caller"
)

// CallPolicy is one request/reply edge.
type CallPolicy struct {
	About          string
	Server         string
	Callers        []string
	Timeout        time.Duration // all attempts together
	Idempotent     bool          // may be repeated after a failure of the transport
	MaxRetries     int
	MaxConcurrency int // requests one replica of the server works on at once
	Fallback       Fallback
}

// QueuePolicy is one queue with its producers and its consumer.
type QueuePolicy struct {
	About           string
	Producers       []string
	Consumer        string
	MaxConcurrency  int           // batches one replica of the consumer works on at once
	MaxBatchSize    int           // messages
	MaxBatchTimeout time.Duration // longest wait for messages known to be on their way
	MaxRetries      int           // deliveries after the first before a message is dead-lettered
	Backoff         []time.Duration
	DeadLetterQueue string
	StoragePercent  int // share of the bus's storage
}

// BucketPolicy is one key-value bucket.
type BucketPolicy struct {
	About    string
	Writers  []string
	Watchers []string
	History  int // revisions kept of each key
}

// ExternalPolicy is a program that is no part of us, called with the same policies.
type ExternalPolicy struct {
	About      string
	URL        string // empty: where the program is, the setting says
	Setting    string // environment variable with the URL; where that is empty the program is done without
	Callers    []string
	Timeout    time.Duration
	Idempotent bool
	MaxRetries int
	Fallback   Fallback
}

// Identities lists everyone who may hold a connection: the services in order, then Admin.
func (g *Graph) Identities() []string {
	return append(sortedKeys(g.Services), Admin)
}

// DeadLetterQueues lists the names of all dead-letter queues in order.
func (g *Graph) DeadLetterQueues() []string {
	var names []string
	for _, q := range g.Queues {
		if !slices.Contains(names, q.DeadLetterQueue) {
			names = append(names, q.DeadLetterQueue)
		}
	}
	slices.Sort(names)
	return names
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

package bus

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Limits size what Ensure creates.
type Limits struct {
	// StoreBytes is shared out between queues and dead letters. Zero means 10 GiB.
	StoreBytes int64
	// Replicas of each stream: 1, or 3 on a cluster. Zero means 1.
	Replicas int
}

const (
	defaultStoreBytes = 10 << 30
	advisoryBytes     = 16 << 20
	bucketBytes       = 64 << 20
	deadAge           = 30 * 24 * time.Hour
	advisoryAge       = 7 * 24 * time.Hour
	// duplicateWindow covers our own publish retries, which end within a second.
	duplicateWindow = 10 * time.Second
)

// StoreOverhead is what Ensure reserves on top of Limits.StoreBytes for g.
func StoreOverhead(g *Graph) int64 {
	return advisoryBytes + int64(len(g.Buckets))*bucketBytes
}

// Ensure creates and updates the streams, consumers and buckets of g, and leaves everything else
// alone. It needs the rights of Admin. Running it again changes nothing.
func Ensure(ctx context.Context, admin *nats.Conn, g *Graph, limits Limits) error {
	js, err := jetstream.New(admin)
	if err != nil {
		return translate(err, "prepare the bus")
	}
	if limits.StoreBytes == 0 {
		limits.StoreBytes = defaultStoreBytes
	}
	limits.Replicas = max(limits.Replicas, 1)
	for _, cfg := range streams(g, limits) {
		if _, err := js.CreateOrUpdateStream(ctx, cfg); err != nil {
			return translate(err, "create stream %s", cfg.Name)
		}
	}
	for _, name := range sortedKeys(g.Queues) {
		cfg := consumerOf(name, g.Queues[name])
		cfg.PauseUntil = pausedUntil(ctx, js, queueStream(name), cfg.Durable)
		if _, err := js.CreateOrUpdateConsumer(ctx, queueStream(name), cfg); err != nil {
			return translate(err, "create the consumer of queue %s", name)
		}
	}
	for _, name := range sortedKeys(g.Buckets) {
		_, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: name, Description: g.Buckets[name].About,
			History: uint8(g.Buckets[name].History), MaxBytes: bucketBytes, Replicas: limits.Replicas})
		if err != nil {
			return translate(err, "create bucket %s", name)
		}
	}
	return nil
}

// TakeBack makes the consumers of g's queues anew, so that what earlier processes had in hand is
// delivered at once instead of after the time they had to acknowledge it. A pause stays.
// Only for a broker whose consumers have all ended with it. It needs the rights of Admin.
func TakeBack(ctx context.Context, admin *nats.Conn, g *Graph) error {
	js, err := jetstream.New(admin)
	if err != nil {
		return translate(err, "prepare the bus")
	}
	for _, name := range sortedKeys(g.Queues) {
		cfg := consumerOf(name, g.Queues[name])
		cfg.PauseUntil = pausedUntil(ctx, js, queueStream(name), cfg.Durable)
		err := js.DeleteConsumer(ctx, queueStream(name), cfg.Durable)
		if err == nil && cfg.PauseUntil != nil {
			_, err = js.CreateConsumer(ctx, queueStream(name), cfg)
		}
		if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return translate(err, "take back what consumers of queue %s had in hand", name)
		}
	}
	return nil
}

func streams(g *Graph, limits Limits) []jetstream.StreamConfig {
	var all []jetstream.StreamConfig
	for _, name := range sortedKeys(g.Queues) {
		q := g.Queues[name]
		all = append(all, jetstream.StreamConfig{
			Name: queueStream(name), Description: q.About, Subjects: []string{queueSubject(name)},
			Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage, Replicas: limits.Replicas,
			Discard: jetstream.DiscardNew, MaxBytes: limits.StoreBytes / 100 * int64(q.StoragePercent),
			MaxMsgSize: MaxPayload, Duplicates: duplicateWindow,
		})
	}
	dead := g.DeadLetterQueues()
	for _, name := range dead {
		all = append(all, jetstream.StreamConfig{
			Name: deadStream(name), Description: "messages that could not be handled", Subjects: []string{name + ".>"},
			Retention: jetstream.LimitsPolicy, Storage: jetstream.FileStorage, Replicas: limits.Replicas,
			Discard: jetstream.DiscardNew, MaxBytes: limits.StoreBytes / 100 * deadPercent / int64(len(dead)),
			MaxMsgSize: MaxPayload, MaxAge: deadAge, Duplicates: 2 * time.Minute,
		})
	}
	// Advisories about streams and consumers. Those about requests to the broker's own interface
	// are left out: there is one for each question somebody asks.
	return append(all, jetstream.StreamConfig{
		Name: advisoryStream, Description: "what the broker reports about streams and consumers",
		Subjects:  []string{"$JS.EVENT.ADVISORY.STREAM.>", "$JS.EVENT.ADVISORY.CONSUMER.>"},
		Retention: jetstream.LimitsPolicy, Storage: jetstream.FileStorage, Replicas: limits.Replicas,
		Discard: jetstream.DiscardOld, MaxBytes: advisoryBytes, MaxAge: advisoryAge,
	})
}

func consumerOf(name string, q QueuePolicy) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable: queueConsumer(name, q.Consumer), Description: q.About, FilterSubject: queueSubject(name),
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxDeliver: -1,
		MaxAckPending: (q.MaxConcurrency + 1) * max(q.MaxBatchSize, 2),
	}
}

// Depth is the state of one queue, dead-letter queue included.
type Depth struct {
	Queue    string
	Dead     bool // Queue is a dead-letter queue
	Packs    uint64
	Bytes    uint64
	Waiting  uint64 // packs not yet given to a consumer
	InHand   int    // packs given and not yet acknowledged
	OldestAt time.Time
	Paused   *Pause // nil: it is not
}

// Depths reads the state of all queues. It needs the rights of Admin or of a service that
// observes.
func (c *Conn) Depths(ctx context.Context) ([]Depth, error) {
	var all []Depth
	for _, name := range slices.Sorted(maps.Keys(c.graph.Queues)) {
		stream, err := c.js.Stream(ctx, queueStream(name))
		if err != nil {
			return nil, translate(err, "read queue %s", name)
		}
		consumer, err := stream.Consumer(ctx, queueConsumer(name, c.graph.Queues[name].Consumer))
		if err != nil {
			return nil, translate(err, "read the consumer of queue %s", name)
		}
		state, info := stream.CachedInfo().State, consumer.CachedInfo()
		d := Depth{Queue: name, Packs: state.Msgs, Bytes: state.Bytes, Waiting: info.NumPending,
			InHand: info.NumAckPending, OldestAt: state.FirstTime}
		if d.Paused, err = c.pauseOf(ctx, name, info); err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	for _, name := range c.graph.DeadLetterQueues() {
		stream, err := c.js.Stream(ctx, deadStream(name))
		if err != nil {
			return nil, translate(err, "read dead letters")
		}
		state := stream.CachedInfo().State
		all = append(all, Depth{Queue: name, Dead: true, Packs: state.Msgs, Bytes: state.Bytes, OldestAt: state.FirstTime})
	}
	return all, nil
}

// pauseOf is the pause of a queue with what is known of its reason.
func (c *Conn) pauseOf(ctx context.Context, queue string, info *jetstream.ConsumerInfo) (*Pause, error) {
	if !info.Paused {
		return nil, nil
	}
	var p Pause
	if slices.Contains(c.graph.Buckets[Pauses.Name].Watchers, c.service) {
		var err error
		if p, _, err = Pauses.Get(ctx, c, queue); err != nil {
			return nil, err
		}
	}
	if p.Until.IsZero() && info.PauseRemaining < untilResumed/2 {
		p.Until = time.Now().Add(info.PauseRemaining).UTC().Truncate(time.Second)
	}
	return &p, nil
}

package bus

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// The simulation runs the real consumer (reading packs, retries, isolation, dead letters) against a
// queue, a store and a clock of its own, all drawn from one seed: deliveries are dropped, doubled
// and reordered, answers get lost, the store fails before and after its commit, and the process dies
// at any step, between commit and acknowledgement above all. After the faults stop everything must
// come to rest with nothing lost, nothing counted twice, and only the guilty dead-lettered.

var (
	simSeeds = flag.Int("simulation.seeds", 10_000, "how many seeds the simulation runs")
	simSeed  = flag.Uint64("simulation.seed", 0, "run this seed alone and tell what happens")
)

// The kinds of messages, by id modulo 64.
const (
	simRejects = 7  // the handler refuses it
	simFails   = 21 // the store's constraint, every time
	simPanics  = 35
	simKills   = 49 // the process dies of it, recovering nothing
)

func simKind(id uint64) uint64 { return id % 64 }

func simGuilty(id uint64) bool {
	return slices.Contains([]uint64{simRejects, simFails, simPanics, simKills}, simKind(id))
}

// simulation is one world.
type simulation struct {
	rng   *rand.Rand
	now   time.Duration // the fake clock
	say   func(string, ...any)
	queue []*simMessage
	calm  bool // no more faults

	stored map[uint64]int // by id: how often counted
	count  int            // the counter that events are folded into
	dead   map[uint64]bool
	acked  []uint64

	process *simProcess
	deaths  int
	random  int // of deaths
	unlucky map[uint64]bool
}

// simMessage is a pack in the queue.
type simMessage struct {
	seq       uint64
	data      []byte
	due       time.Duration
	delivered uint64
	done      bool
}

// simProcess is one life of the consumer. After it is dead nothing it does has an effect.
type simProcess struct {
	*simulation
	dead bool
	fuse int // steps until it dies; negative: never
	held *inHand
	file []byte // what was in hand when it died
}

// step is a moment at which the process may die.
func (p *simProcess) step() {
	if p.fuse >= 0 {
		if p.fuse--; p.fuse < 0 {
			p.random++
			p.die("at a random step")
		}
	}
}

func (p *simProcess) die(how string) {
	if !p.dead {
		p.dead = true
		p.deaths++
		p.file = slices.Clone(p.held.text.Bytes())
		p.say("the process dies %s", how)
	}
}

// simMsg is a pack in the hands of one process.
type simMsg struct {
	jetstream.Msg
	p *simProcess
	m *simMessage
}

func (m *simMsg) Data() []byte { return m.m.data }

func (m *simMsg) Metadata() (*jetstream.MsgMetadata, error) {
	return &jetstream.MsgMetadata{Sequence: jetstream.SequencePair{Stream: m.m.seq}, NumDelivered: m.m.delivered, Timestamp: time.Unix(0, 0)}, nil
}

func (m *simMsg) Ack() error {
	m.p.step()
	if !m.p.dead && !m.p.chance(20) { // an acknowledgement may get lost
		m.m.done = true
	}
	return nil
}

func (m *simMsg) NakWithDelay(d time.Duration) error {
	m.p.step()
	if !m.p.dead {
		m.m.due = m.p.now + time.Duration(m.p.rng.Int64N(int64(d)+1))
	}
	return nil
}
func (m *simMsg) Nak() error        { return m.NakWithDelay(0) }
func (m *simMsg) InProgress() error { return nil }

// simStream takes dead letters.
type simStream struct {
	jetstream.JetStream
	p *simProcess
}

func (s *simStream) PublishMsg(_ context.Context, msg *nats.Msg, _ ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	s.p.step()
	if s.p.dead || s.p.chance(20) {
		return nil, errors.New("no answer")
	}
	var d DeadLetter
	if err := d.UnmarshalBinary(msg.Data); err != nil {
		return nil, err
	}
	s.p.bury(d)
	if s.p.chance(20) { // stored, and the answer gets lost
		return nil, errors.New("no answer")
	}
	return &jetstream.PubAck{}, nil
}

func (s *simulation) bury(d DeadLetter) {
	id := binary.BigEndian.Uint64(d.Body)
	s.say("dead letter %d: %s", id, d.Error)
	s.dead[id] = true
	if !simGuilty(id) && d.Error == errKiller.Error() && s.random >= killerDeaths {
		// The process died by chance each of three times with nothing but this event in hand: whoever
		// looks from outside must take it for the killer. It is kept, and a replay stores it.
		s.unlucky[id] = true
	}
}

// chance is true once in n, while there are faults.
func (s *simulation) chance(n int) bool { return !s.calm && s.rng.IntN(n) == 0 }

// simEvent is what the queue carries: eight bytes.
type simEvent struct{ id uint64 }

func (e *simEvent) UnmarshalBinary(b []byte) error {
	if len(b) != 8 {
		return errors.New("not eight bytes")
	}
	e.id = binary.BigEndian.Uint64(b)
	return nil
}

// handle is the store: one transaction for the batch, an event counted once however often it comes.
func (p *simProcess) handle(_ context.Context, batch []simEvent) (rejects []Reject, err error) {
	p.step()
	if p.chance(15) {
		return nil, fault.New(fault.Unavailable, "the store is away")
	}
	var fresh []uint64
	for i, e := range batch {
		switch simKind(e.id) {
		case simKills:
			p.die("of event " + fmt.Sprint(e.id))
			return nil, fault.New(fault.Unavailable, "dead")
		case simPanics:
			panic("no such thing")
		case simFails:
			return nil, errors.New("constraint violated")
		case simRejects:
			rejects = append(rejects, Reject{Index: i, Err: fault.New(fault.Invalid, "no")})
			continue
		}
		if p.stored[e.id] == 0 && !slices.Contains(fresh, e.id) {
			fresh = append(fresh, e.id)
		}
	}
	if p.dead {
		return nil, fault.New(fault.Unavailable, "dead")
	}
	for _, id := range fresh { // the commit: all or nothing
		p.stored[id]++
		p.count++
	}
	p.step() // between commit and acknowledgement
	if p.chance(15) {
		return nil, fault.New(fault.Unavailable, "the answer to the commit is lost")
	}
	return rejects, nil
}

// publish is a client: what is acknowledged to it must not get lost.
func (s *simulation) publish(ids []uint64) {
	k := newPack(time.Unix(0, 0))
	for i := range k.id { // not random bytes: the seed decides everything
		k.id[i] = byte(s.rng.Uint32())
	}
	copy((*k.buf)[5:], k.id[:])
	for _, id := range ids {
		_ = k.add(nil, func(b []byte) ([]byte, error) { return binary.BigEndian.AppendUint64(b, id), nil })
	}
	data := slices.Clone(*k.buf)
	k.finish(nil)
	if s.chance(10) {
		return // never arrived, and nobody was told that it did
	}
	copies := 1
	if s.chance(5) {
		copies = 2
	}
	for range copies {
		s.queue = append(s.queue, &simMessage{seq: uint64(len(s.queue) + 1), data: data})
	}
	if !s.chance(10) { // else the acknowledgement gets lost
		s.acked = append(s.acked, ids...)
	}
}

// restart begins a new life of the consumer with what the last one left in its file.
func (s *simulation) restart(w *worker[simEvent]) *worker[simEvent] {
	held := &inHand{list: map[inHandKey]suspicion{}, memory: true}
	if w != nil {
		held.load(s.process.file, time.Now())
	}
	held.save()
	p := &simProcess{simulation: s, fuse: -1, held: held}
	if !s.calm && s.rng.IntN(2) == 0 {
		p.fuse = s.rng.IntN(60)
	}
	s.process = p
	for _, m := range s.queue { // the broker gives what the dead one had
		if !m.done {
			m.due = min(m.due, s.now)
		}
	}
	log := slog.New(slog.DiscardHandler)
	return &worker[simEvent]{
		source: &source{c: &Conn{service: "back", js: &simStream{p: p}}, queue: "jobs", forgiven: &forgiven{n: map[uint64]int{}}, inHand: held, storm: &storm{},
			policy: QueuePolicy{MaxRetries: 3, Backoff: []time.Duration{time.Second, time.Minute}, DeadLetterQueue: "dlq"}, stats: &edge{}, log: log},
		handle: p.handle, decode: decoder[simEvent](),
	}
}

// deliver gives the worker some packs that are due, in any order.
func (s *simulation) deliver(w *worker[simEvent]) (any bool) {
	var ds []*delivery
	for _, at := range s.rng.Perm(len(s.queue)) {
		m := s.queue[at]
		if m.done || m.due > s.now || len(ds) >= 4 || s.chance(4) {
			continue
		}
		m.delivered++
		m.due = s.now + ackWait
		d, err := newDelivery(&simMsg{p: s.process, m: m}, w.forgiven)
		if err != nil {
			panic(err)
		}
		ds = append(ds, d)
		if s.chance(12) { // given twice at once: an acknowledgement was slow
			again, _ := newDelivery(&simMsg{p: s.process, m: m}, w.forgiven)
			ds = append(ds, again)
		}
	}
	if len(ds) == 0 {
		return false
	}
	_ = w.batch(context.Background(), ds) // a failure of the infrastructure; the run loop would pause
	if slices.Contains(ds, nil) {
		panic("packs that are being kept alive were changed")
	}
	return true
}

func (s *simulation) run(t *testing.T, seed uint64) {
	var w *worker[simEvent]
	next := uint64(0)
	for round := 0; ; round++ {
		if round == 40 {
			s.calm = true
			s.say("the faults stop")
		}
		if w == nil || s.process.dead {
			w = s.restart(w)
		}
		if round < 20 {
			ids := make([]uint64, 1+s.rng.IntN(6))
			for i := range ids {
				ids[i] = next
				next++
				if s.rng.IntN(8) == 0 {
					ids[i] = uint64(s.rng.Int64N(int64(next))) // a client sends it again
				}
			}
			s.publish(ids)
		}
		s.deliver(w)
		s.now += time.Duration(s.rng.Int64N(int64(time.Minute)))
		if s.calm && !slices.ContainsFunc(s.queue, func(m *simMessage) bool { return !m.done }) {
			break
		}
		if round > 5000 {
			t.Fatalf("seed %d: the queue does not come to rest", seed)
		}
	}
	s.check(t, seed)
}

func (s *simulation) check(t *testing.T, seed uint64) {
	for _, id := range s.acked {
		if s.stored[id] == 0 && !s.dead[id] {
			t.Errorf("seed %d: acknowledged event %d is lost", seed, id)
		}
	}
	total := 0
	for id, n := range s.stored {
		if total++; n != 1 {
			t.Errorf("seed %d: event %d is stored %d times", seed, id, n)
		}
	}
	if s.count != total {
		t.Errorf("seed %d: %d counted, %d stored", seed, s.count, total)
	}
	for id := range s.dead {
		if !simGuilty(id) && !s.unlucky[id] {
			t.Errorf("seed %d: innocent event %d is dead-lettered", seed, id)
		}
	}
	if t.Failed() {
		t.Fatalf("replay: go test ./internal/bus -run Simulation -simulation.seed %d -v", seed)
	}
}

func TestSimulation(t *testing.T) {
	t.Parallel()
	seeds := *simSeeds
	if testing.Short() {
		seeds /= 10
	}
	began, deaths, stored, dead, unlucky := time.Now(), 0, 0, 0, 0
	for n := range uint64(seeds) {
		seed, say := n+1, func(string, ...any) {}
		if *simSeed != 0 {
			seed, say = *simSeed, t.Logf
		}
		s := &simulation{rng: rand.New(rand.NewPCG(seed, 0)), say: say, stored: map[uint64]int{}, dead: map[uint64]bool{}, unlucky: map[uint64]bool{}}
		s.run(t, seed)
		deaths, stored, dead, unlucky = deaths+s.deaths, stored+len(s.stored), dead+len(s.dead), unlucky+len(s.unlucky)
		if *simSeed != 0 {
			break
		}
	}
	t.Logf("%d seeds in %s: %d events stored once, %d dead letters (%d by bad luck), %d deaths of the process, 0 lost", seeds, time.Since(began).Round(time.Millisecond), stored, dead, unlucky, deaths)
	if unlucky*100 > dead {
		t.Errorf("%d of %d dead letters are innocent", unlucky, dead)
	}
}

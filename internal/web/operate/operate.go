// Package operate looks after the installation as a whole: its queues and their dead letters. Pages
// and API ask the same Desk.
//
//	Start ──▶ dead_letter_runs ──▶ Work, in steps ──▶ replay: queue ─▶ consumer
//	                                                └▶ discard
package operate

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// Desk answers for queues and dead letters. It is safe for concurrent use.
type Desk struct {
	store    *postgres.Store
	bus      *bus.Conn
	graph    *bus.Graph
	rehearse func(context.Context, event.Raw) (issue.Rehearsal, error)
	holder   string
	started  chan struct{} // holds one when a run was started
}

// New returns a desk over a service's connection, whose bindings must say that it operates.
func New(store *postgres.Store, conn *bus.Conn) (*Desk, error) {
	x, err := bindings.Rehearse.Client(conn)
	if err != nil {
		return nil, err
	}
	return &Desk{store: store, bus: conn, graph: bindings.Graph(), rehearse: x.Do, holder: "operate-" + strconv.FormatInt(postgres.NewID(), 36),
		started: make(chan struct{}, 1)}, nil
}

// Allow is nil when the caller may operate on the installation: its dead letters may be anybody's,
// so only owners of the organization that the first start made may. fault.Denied: the caller may not.
func (d *Desk) Allow(ctx context.Context, who *account.Principal) error {
	if err := who.Require(account.OrgAdmin); err != nil {
		return err
	}
	first, err := d.store.FirstOrganization(ctx)
	if err == nil && who.Organization.ID != first {
		return fault.New(fault.Denied, "Only owners of the installation's first organization may do this.")
	}
	return err
}

// Actor is how the records name a caller.
func Actor(who *account.Principal) (id int64, name string) {
	if who.User != nil {
		return who.User.ID, who.User.Email
	}
	return 0, "a token of " + who.Organization.Slug
}

// Queues is the state of every queue, dead-letter queues last.
func (d *Desk) Queues(ctx context.Context) ([]bus.Depth, error) { return d.bus.Depths(ctx) }

// About is what the bindings say of a queue.
func (d *Desk) About(queue string) bus.QueuePolicy { return d.graph.Queues[queue] }

// Pause stops the consumers of a queue for a while, or until Resume when that is zero.
// fault.Invalid: without a reason, or for a negative time. fault.Unknown: there is no such queue.
func (d *Desk) Pause(ctx context.Context, who *account.Principal, queue, reason string, d2 time.Duration) error {
	reason = strings.TrimSpace(reason)
	switch {
	case reason == "" || len(reason) > maxReason:
		return errReason
	case d2 < 0 || d2 > maxPause:
		return fault.New(fault.Invalid, "A pause lasts %s at most; without a length it lasts until the queue is resumed.", maxPause)
	}
	id, name := Actor(who)
	p := bus.Pause{Reason: reason, By: name}
	if d2 > 0 {
		p.Until = time.Now().Add(d2).UTC()
	}
	if err := d.bus.PauseQueue(ctx, queue, &p); err != nil {
		return err
	}
	return d.store.AddOperatorAction(ctx, postgres.OperatorAction{ActorID: id, Actor: name, Action: "queue.pause", Target: queue, Reason: reason})
}

// Resume ends a pause. fault.Unknown: there is no such queue.
func (d *Desk) Resume(ctx context.Context, who *account.Principal, queue string) error {
	if err := d.bus.ResumeQueue(ctx, queue); err != nil {
		return err
	}
	id, name := Actor(who)
	return d.store.AddOperatorAction(ctx, postgres.OperatorAction{ActorID: id, Actor: name, Action: "queue.resume", Target: queue})
}

const (
	maxReason = 500
	maxPause  = 30 * 24 * time.Hour
)

var errReason = fault.New(fault.Invalid, "Say why, in %d characters at most.", maxReason)

// door opens the dead letters a name stands for. fault.Unknown: there is no such dead-letter queue.
func (d *Desk) door(dlq string) (*bus.Letters, error) {
	if !slices.Contains(d.graph.DeadLetterQueues(), dlq) {
		return nil, fault.New(fault.Unknown, "there is no dead-letter queue %s", dlq)
	}
	return d.bus.Letters(dlq)
}

// dlqOf is the dead-letter queue of a queue; of none named, the first there is.
func (d *Desk) dlqOf(queue string) (string, error) {
	if queue == "" {
		return d.graph.DeadLetterQueues()[0], nil
	}
	q, ok := d.graph.Queues[queue]
	if !ok {
		return "", fault.New(fault.Unknown, "there is no queue %s", queue)
	}
	return q.DeadLetterQueue, nil
}

// Letter is a dead letter with its name.
type Letter struct {
	ID string
	bus.DeadLetter
}

// Letters lists the selected dead letters, oldest first, and where the next page begins: zero at
// the end.
func (d *Desk) Letters(ctx context.Context, q bus.LetterQuery, limit int) ([]Letter, uint64, error) {
	dlq, err := d.dlqOf(q.Queue)
	if err != nil {
		return nil, 0, err
	}
	door, err := d.door(dlq)
	if err != nil {
		return nil, 0, err
	}
	list, next, err := door.List(ctx, q, limit)
	out := make([]Letter, len(list))
	for i := range list {
		out[i] = Letter{bus.LetterID(dlq, list[i].Seq), list[i]}
	}
	return out, next, err
}

// Groups gathers dead letters by error, the largest group first; whole is false when there are more
// than it looks at.
func (d *Desk) Groups(ctx context.Context, queue string) (groups []bus.LetterGroup, whole bool, err error) {
	dlq, err := d.dlqOf(queue)
	if err != nil {
		return nil, false, err
	}
	door, err := d.door(dlq)
	if err != nil {
		return nil, false, err
	}
	return door.Groups(ctx, queue)
}

// Letter returns one dead letter. fault.Unknown: there is none of this name.
func (d *Desk) Letter(ctx context.Context, id string) (Letter, error) {
	dlq, seq, err := parseID(id)
	if err != nil {
		return Letter{}, err
	}
	door, err := d.door(dlq)
	if err != nil {
		return Letter{}, err
	}
	letter, err := door.Get(ctx, seq)
	return Letter{id, letter}, err
}

func parseID(id string) (dlq string, seq uint64, err error) {
	at := strings.LastIndexByte(id, '-')
	if at > 0 {
		seq, err = strconv.ParseUint(id[at+1:], 10, 64)
	}
	if at <= 0 || err != nil || seq == 0 {
		return "", 0, fault.New(fault.Unknown, "there is no dead letter %.40q", id)
	}
	return id[:at], seq, nil
}

// Event is the event that a dead letter of the queue events holds.
func (l *Letter) Event() (*event.Raw, error) {
	var raw event.Raw
	if l.Queue != bindings.Events.Name || l.Index < 0 {
		return nil, fault.New(fault.Invalid, "the dead letter holds no event")
	}
	if err := raw.UnmarshalBinary(l.Body); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the event of the dead letter cannot be read")
	}
	return &raw, nil
}

// Rehearse says what would become of a dead letter if it were replayed now, storing nothing.
func (d *Desk) Rehearse(ctx context.Context, l *Letter) (issue.Rehearsal, error) {
	switch {
	case l.Queue == "" || l.Index < 0:
		return issue.Rehearsal{Verdict: issue.WouldFail, Reason: "its bytes cannot be read"}, nil
	case l.Queue != bindings.Events.Name:
		// What the other queues carry is ours alone: it is read, or it is not.
		return issue.Rehearsal{Verdict: issue.WouldBeStored, Title: "handed to " + d.graph.Queues[l.Queue].Consumer + " again"}, nil
	}
	raw, err := l.Event()
	if err != nil {
		return issue.Rehearsal{Verdict: issue.WouldFail, Reason: fault.Public(err)}, nil
	}
	r, err := d.rehearse(ctx, *raw)
	if fault.KindOf(err) == fault.TooLarge {
		return issue.Rehearsal{Verdict: issue.WouldFail, Reason: "the event is too large to be rehearsed; it can be replayed"}, nil
	}
	return r, err
}

// undo takes what the ledger says of a dead letter back, before it gets another chance.
func (d *Desk) undo(ctx context.Context, l *Letter) error {
	raw, err := l.Event()
	if err != nil {
		return nil //nolint:nilerr // the ledger knows events alone
	}
	kind := fault.Invalid
	if l.Kind == fault.Internal.String() {
		kind = fault.Internal
	}
	return d.store.UndoRefusal(ctx, postgres.DeadRefusal(raw, kind))
}

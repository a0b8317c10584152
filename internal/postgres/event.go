package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

// StoredEvent is an event as it was recorded. Payload is its canonical JSON.
type StoredEvent struct {
	ID         event.ID
	IssueID    int64
	ReceivedAt time.Time
	Payload    []byte
}

const sqlEvent = `
	select e.issue_id, e.received_at, e.block_id, e.block_index
	from event_seen s join events e on e.project_id = s.project_id and e.received_at = s.received_at and e.event_id = s.event_id
	where s.project_id = @project and s.event_id = @id`

// Event returns one event of a project. fault.Unknown: there is none, or its day is past the
// retention.
func (st *Store) Event(ctx context.Context, project int64, id event.ID) (StoredEvent, error) {
	e := StoredEvent{ID: id}
	var ref blockRef
	err := st.db.QueryRow(ctx, sqlEvent, pgx.StrictNamedArgs{"project": project, "id": [16]byte(id)}).
		Scan(&e.IssueID, &ref.ReceivedAt, &ref.BlockID, &ref.BlockIndex)
	if err != nil {
		return StoredEvent{}, translate(err, "event %s of project %d", id, project)
	}
	found, err := st.payloads(ctx, project, []blockRef{ref})
	if err != nil {
		return StoredEvent{}, err
	}
	if found[0] == nil {
		return StoredEvent{}, fault.New(fault.Unknown, "event %s of project %d", id, project)
	}
	e.ReceivedAt, e.Payload = ref.ReceivedAt, found[0]
	return e, nil
}

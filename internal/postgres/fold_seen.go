package postgres

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/issue"
)

// seenPerChange is how many issues one change of kind issue.ChangeSeen carries.
const seenPerChange = 200

// Written in the transaction that folds the counts, so that rules hear of each event once.
const sqlTellSeen = `
	insert into alert_outbox (project_id, id, change)
	select @project, @id, @change::text::jsonb
	where exists (select from alert_rules where project_id = @project and is_enabled and asks_events)`

// tell queues, for projects with rules that ask, how many events each issue got.
func (f *facts) tell(b *pgx.Batch, project int64) error {
	counts := make(map[int64]int64)
	for k, n := range f.hours {
		counts[k.issue] += n
	}
	for part := range slices.Chunk(slices.Sorted(maps.Keys(counts)), seenPerChange) {
		c := issue.Change{ID: NewID(), Kind: issue.ChangeSeen, Project: project, At: time.Now().UTC()}
		for _, id := range part {
			c.Seen = append(c.Seen, issue.Seen{ID: NewID(), Issue: id, Count: counts[id]})
		}
		text, err := json.Marshal(&c)
		if err != nil {
			return err
		}
		b.Queue(sqlTellSeen, pgx.StrictNamedArgs{"project": project, "id": c.ID, "change": string(text)})
	}
	return nil
}

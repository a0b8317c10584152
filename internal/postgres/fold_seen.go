package postgres

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/issue"
)

const (
	// seenPerChange is how many issues one change of kind issue.ChangeSeen carries.
	seenPerChange = 200
	// notedValues is how many values of one tag of one issue it carries; of a tag with more, none.
	notedValues = 100
)

const (
	// Written in the transaction that folds the counts, so that rules hear of each event once.
	sqlTellSeen = `
		insert into alert_outbox (project_id, id, change)
		select @project, @id, @change::text::jsonb`

	sqlAskedTags = `
		select r.project_id, coalesce(array_agg(distinct t.tag) filter (where t.tag is not null), '{}')
		from alert_rules r left join lateral unnest(r.asked_tags) as t(tag) on true
		where r.project_id = any(@projects::bigint[]) and r.is_enabled and r.asks_events
		group by r.project_id`
)

// askedTags returns, of the projects with rules that want to hear of further events, the tags that
// those rules ask about.
func askedTags(ctx context.Context, tx pgx.Tx, projects []int64) (map[int64][]string, error) {
	asked := map[int64][]string{}
	rows, _ := tx.Query(ctx, sqlAskedTags, pgx.StrictNamedArgs{"projects": projects}) // ForEachRow reports a failed Query
	var project int64
	var tags []string
	_, err := pgx.ForEachRow(rows, []any{&project, &tags}, func() error {
		asked[project] = slices.Clone(tags)
		return nil
	})
	return asked, err
}

// tell queues, for a project with rules that ask, how many events each issue got, and which values
// of the tags that they ask about.
func (f *facts) tell(b *pgx.Batch, project int64, asked []string) error {
	counts := make(map[int64]int64)
	for k, n := range f.hours {
		counts[k.issue] += n
	}
	noted := f.note(asked)
	for part := range slices.Chunk(slices.Sorted(maps.Keys(counts)), seenPerChange) {
		c := issue.Change{ID: NewID(), Kind: issue.ChangeSeen, Project: project, At: time.Now().UTC()}
		for _, id := range part {
			s := issue.Seen{ID: NewID(), Issue: id, Count: counts[id]}
			for _, tag := range asked {
				values := noted[issueText{id, tag}]
				if len(values) > notedValues {
					continue
				}
				if s.Tags == nil {
					s.Tags = make(map[string][]string, len(asked))
				}
				s.Tags[tag] = append([]string{}, values...) // an empty list says that no event has the tag
			}
			c.Seen = append(c.Seen, s)
		}
		text, err := json.Marshal(&c)
		if err != nil {
			return err
		}
		b.Queue(sqlTellSeen, pgx.StrictNamedArgs{"project": project, "id": c.ID, "change": string(text)})
	}
	return nil
}

// note collects the values of the tags that are asked about, by issue and alert.TagKey, up to one
// more than are told of.
func (f *facts) note(asked []string) map[issueText][]string {
	noted := make(map[issueText][]string)
	if len(asked) == 0 {
		return noted
	}
	keys := map[string]string{} // as they are asked for; empty: not at all
	for k := range f.tags {
		key, known := keys[k.key]
		if !known {
			if key = alert.TagKey(k.key); !slices.Contains(asked, key) {
				key = ""
			}
			keys[k.key] = key
		}
		if at := (issueText{k.issue, key}); key != "" && len(noted[at]) <= notedValues {
			noted[at] = append(noted[at], k.value)
		}
	}
	return noted
}

package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/search"
)

// RuleSort is an order of the alert rules of several projects.
type RuleSort string

// The orders. All have the id as their last key.
const (
	RulesByID      RuleSort = "id"
	RulesByName    RuleSort = "name"
	RulesByCreated RuleSort = "dateCreated"
	RulesByUpdated RuleSort = "dateUpdated"
	RulesByFired   RuleSort = "lastTriggered"
)

// RuleQuery is which alert rules of several projects are wanted.
type RuleQuery struct {
	Projects []int64
	IDs      []int64        // nil: any
	Names    []search.Value // any case, with wildcards; each must be in the name. Nil: any
	Sort     RuleSort       // empty: RulesByID
	Down     bool           // the greatest first
	Skip     int
	Limit    int // zero: all
}

const sqlRulesOf = ruleColumns + `
	where project_id = any(@projects::bigint[]) and (@ids::bigint[] is null or id = any(@ids::bigint[]))
		and lower(name) like all(array(select lower(p) from unnest(@names::text[]) as p))
	order by
		case when @sort::text = 'name' and not @down::boolean then lower(name) end,
		case when @sort::text = 'name' and @down::boolean then lower(name) end desc,
		case when not @down::boolean then
			case @sort::text when 'dateCreated' then created_at when 'dateUpdated' then updated_at when 'lastTriggered' then coalesce(last_fired_at, '-infinity') end end,
		case when @down::boolean then
			case @sort::text when 'dateCreated' then created_at when 'dateUpdated' then updated_at when 'lastTriggered' then coalesce(last_fired_at, '-infinity') end end desc,
		case when @down::boolean then id end desc,
		id
	limit nullif(@limit::bigint, 0) offset @skip`

// RulesOf lists alert rules of several projects, at most one more than the limit: that there is one
// more says that there is a further page.
func (st *Store) RulesOf(ctx context.Context, q RuleQuery) ([]alert.Rule, error) {
	names := make([]string, len(q.Names))
	for i, v := range q.Names {
		names[i] = likeEscaper.Replace(v.Text)
	}
	limit := q.Limit
	if limit > 0 {
		limit++
	}
	rows, _ := st.db.Query(ctx, sqlRulesOf, pgx.StrictNamedArgs{"projects": q.Projects, "ids": q.IDs, "names": names, "sort": string(q.Sort), // Collect reports a failed Query
		"down": q.Down, "limit": limit, "skip": q.Skip})
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[ruleRow])
	if err != nil {
		return nil, translate(err, "list alert rules of %d projects", len(q.Projects))
	}
	rules := make([]alert.Rule, len(found))
	for i, row := range found {
		if rules[i], err = row.rule(); err != nil {
			return nil, err
		}
	}
	return rules, nil
}

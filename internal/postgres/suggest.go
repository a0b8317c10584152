package postgres

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Suggestion is a value that a search may go on with, and how many of the issues looked at had it.
type Suggestion struct {
	Value string
	Count int64
}

const (
	sqlSuggestKeys = `
		select key as value, count(*) as count from (
			select key from issue_tags where project_id = any(@projects::bigint[]) order by project_id, issue_id desc limit 5000) as t
		where key ilike @pattern group by key order by count(*) desc, key limit 10`
	sqlTagKeys = `
		select key as value, count(*) as count from (
			select t.key from unnest(@projects::bigint[]) as p(id) cross join lateral (
				select key from issue_tags where project_id = p.id order by issue_id desc limit 20000) as t limit 50000) as t
		group by key order by count(*) desc, key limit 1000`
	sqlSuggestTagValues = `
		select value, count(*) as count from (
			select t.value from unnest(@projects::bigint[]) as p(id) cross join lateral (
				select value from issue_tags where project_id = p.id and key = @key order by issue_id desc limit 5000) as t limit 5000) as t
		where value ilike @pattern group by value order by count(*) desc, value limit 10`
	sqlSuggestUsers = `
		select value, count(*) as count from (
			select substr(t.value, length(@prefix::text) + 1) as value from unnest(@projects::bigint[]) as p(id) cross join lateral (
				select value from issue_tags where project_id = p.id and key = 'user' order by issue_id desc limit 5000) as t
			where starts_with(t.value, @prefix::text) limit 5000) as t
		where value ilike @pattern group by value order by count(*) desc, value limit 10`
	sqlSuggestReleases = `
		select version as value, times_seen as count from releases
		where project_id = any(@projects::bigint[]) and version ilike @pattern order by first_seen desc, version limit 10`
	sqlSuggestProperties = `
		select value, count(*) as count from (
			select value from issue_properties where project_id = any(@projects::bigint[]) and key = @key limit 5000) as t
		where value ilike @pattern group by value order by count(*) desc, value limit 10`
)

// SuggestKeys lists the tags of projects that begin with part, the most frequent first.
func (st *Store) SuggestKeys(ctx context.Context, projects []int64, part string) ([]Suggestion, error) {
	return st.suggest(ctx, sqlSuggestKeys, pgx.NamedArgs{"projects": projects, "pattern": likeEscaper.Replace(part) + "%"})
}

// SuggestValues lists values of a key that contain part: of a tag, a release, or a property.
func (st *Store) SuggestValues(ctx context.Context, projects []int64, key, part string) ([]Suggestion, error) {
	args := pgx.NamedArgs{"projects": projects, "key": key, "pattern": contains(part)}
	if key == "release" || key == "firstRelease" {
		delete(args, "key")
		return st.suggest(ctx, sqlSuggestReleases, args)
	}
	list, err := st.suggest(ctx, sqlSuggestTagValues, args)
	if err != nil || len(list) > 0 || !strings.Contains(key, ".") && key != "trace" && key != "dist" {
		return list, err
	}
	if kind, ok := strings.CutPrefix(key, "user."); ok { // one of them is the user's tag
		users := pgx.NamedArgs{"projects": projects, "prefix": kind + ":", "pattern": args["pattern"]}
		if list, err = st.suggest(ctx, sqlSuggestUsers, users); err != nil || len(list) > 0 {
			return list, err
		}
	}
	return st.suggest(ctx, sqlSuggestProperties, args)
}

// TagKeys are the keys of the tags of projects' latest issues, those that most of them have first.
func (st *Store) TagKeys(ctx context.Context, projects []int64) ([]Suggestion, error) {
	return st.suggest(ctx, sqlTagKeys, pgx.NamedArgs{"projects": projects})
}

func (st *Store) suggest(ctx context.Context, sql string, args pgx.NamedArgs) (list []Suggestion, err error) {
	err = st.read(ctx, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, sql, pgx.StrictNamedArgs(args))
		list, err = pgx.CollectRows(rows, pgx.RowToStructByName[Suggestion])
		return err
	})
	return list, translate(err, "suggest what a search may go on with")
}

package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/search"
)

const (
	// An issue's words as they are now. Issues that are gone may keep theirs for a while: what is
	// found by them is looked at again.
	sqlIndexTexts = `
		insert into issue_texts as t (project_id, issue_id, search_text)
		select i.project_id, i.id, i.search_text from issues i left join issue_texts o on o.project_id = i.project_id and o.issue_id = i.id
		where o.search_text is distinct from i.search_text and i.project_id = any(@projects::bigint[]) and (i.project_id, i.id) in (select * from unnest(@projects::bigint[], @ids::bigint[]))
		order by i.project_id, i.id
		on conflict (project_id, issue_id) do update set search_text = excluded.search_text`
)

// queueTexts lets free text find the issues that facts are about by what they are called now.
func queueTexts(b *pgx.Batch, project int64, f *facts) {
	var ids []int64
	for k := range f.hours {
		ids = append(ids, k.issue)
	}
	if len(ids) > 0 {
		b.Queue(sqlIndexTexts, pgx.StrictNamedArgs{"projects": slices.Repeat([]int64{project}, len(ids)), "ids": ids})
	}
}

// indexTexts lets free text find issues of a project by the titles and culprits that they have now.
func indexTexts(ctx context.Context, tx pgx.Tx, project int64, ids ...int64) error {
	_, err := tx.Exec(ctx, sqlIndexTexts, pgx.StrictNamedArgs{"projects": slices.Repeat([]int64{project}, len(ids)), "ids": ids})
	return err
}

// freeText adds one term of free text.
func (c *conditions) freeText(t search.Term) {
	text := t.Values[0].Text
	pattern := "lower(" + c.arg(contains(text)) + "::text)"
	c.andMaybe("i.search_text like "+pattern, t.Negated)
	if !t.Negated && hasTrigram(text) {
		c.texts = append(c.texts, "t.search_text like "+pattern)
	}
}

// hasTrigram tells whether an index of trigrams is of use: it knows letters and digits only.
// Rule: PostgreSQL documentation, appendix F, pg_trgm (F.35.4 Index Support)
func hasTrigram(text string) bool {
	run := 0
	for _, r := range text {
		if run++; r == search.Wildcard || !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			run = 0
		}
		if run == 3 {
			return true
		}
	}
	return false
}

// A text that one in commonShare of the newest textSample issues has is met soon enough on a walk
// through them. Of a rarer one, up to rareMost issues are looked up.
const (
	textSample  = 2000
	commonShare = 100
	rareMost    = 5000
)

// narrow finds the issues that have the searched texts by their trigrams, when these are few.
// Otherwise the conditions stay as they are.
func (c *conditions) narrow(ctx context.Context, tx pgx.Tx) error {
	if len(c.texts) == 0 || len(c.projects) == 0 {
		return nil
	}
	like := strings.Join(c.texts, " and ")
	c.texts = nil
	sql := fmt.Sprintf(`with sample as materialized (select t.search_text from unnest(@projects::bigint[]) as p(id) cross join lateral (
			select search_text from issue_texts where project_id = p.id order by issue_id desc limit %d) as t limit %d)
		select case when (select count(*) filter (where %s) * %d <= %d from sample as t)
			then array(select t.issue_id from issue_texts t where t.project_id = any(@projects::bigint[]) and %s limit %d) end`,
		max(textSample/len(c.projects), 10), textSample, like, commonShare, textSample, like, rareMost+1)
	rows, err := c.run(ctx, tx, sql)
	if err != nil {
		return err
	}
	ids, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[[]int64])
	switch {
	case err != nil || ids == nil || len(ids) > rareMost:
	case len(ids) == 0: // nothing else need be asked
		c.projects = nil
	default:
		c.and("i.id = any(" + c.arg(ids) + "::bigint[])")
	}
	return err
}

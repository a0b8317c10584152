package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

const (
	sqlBookmark = `
		insert into issue_bookmarks (project_id, issue_id, user_id)
		select i.project_id, i.id, @user from issues i where i.project_id = any(@projects::bigint[]) and i.id = any(@ids::bigint[])
		on conflict do nothing`
	sqlUnbookmark = `
		delete from issue_bookmarks where project_id = any(@projects::bigint[]) and issue_id = any(@ids::bigint[]) and user_id = @user`
	sqlBookmarked = `
		select issue_id from issue_bookmarks where project_id = any(@projects::bigint[]) and issue_id = any(@ids::bigint[]) and user_id = @user`
)

// Bookmark marks those of an organization's issues that have one of the ids for a user, or takes
// the marks away.
func (st *Store) Bookmark(ctx context.Context, org int64, ids []int64, user int64, on bool) error {
	projects, err := st.Projects(ctx, org)
	if err != nil {
		return err
	}
	sql := sqlBookmark
	if !on {
		sql = sqlUnbookmark
	}
	_, err = st.db.Exec(ctx, sql, pgx.StrictNamedArgs{"projects": (&conditions{projects: projects}).projectIDs(), "ids": ids, "user": user})
	return translate(err, "bookmark %d issues", len(ids))
}

// Bookmarked returns those of the ids, of issues in the projects, that a user marked.
func (st *Store) Bookmarked(ctx context.Context, projects, ids []int64, user int64) (map[int64]bool, error) {
	rows, _ := st.db.Query(ctx, sqlBookmarked, pgx.StrictNamedArgs{"projects": projects, "ids": ids, "user": user})
	list, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	marked := make(map[int64]bool, len(list))
	for _, id := range list {
		marked[id] = true
	}
	return marked, translate(err, "read bookmarks")
}

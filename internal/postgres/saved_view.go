package postgres

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// SavedView is a search that somebody keeps.
type SavedView struct {
	ID       int64
	UserID   int64 // who made it
	Name     string
	Query    string
	Sort     IssueSort // empty: by last seen
	IsShared bool      // with everybody in the organization
}

// What saved views may hold.
const (
	MaxSavedViews    = 30 // that one user makes in an organization
	maxSavedViewName = 40 // characters
)

const sqlSavedViews = `
	select id, user_id, name, query, sort, is_shared from saved_views
	where organization_id = @org and (user_id = @user or is_shared) order by user_id <> @user, created_at, id limit 200`

// SavedViews lists a user's own searches, then those that others share.
func (st *Store) SavedViews(ctx context.Context, org, user int64) ([]SavedView, error) {
	rows, _ := st.db.Query(ctx, sqlSavedViews, pgx.StrictNamedArgs{"org": org, "user": user})
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[SavedView])
	return list, translate(err, "list the saved views of organization %d", org)
}

const sqlInsertSavedView = `
	insert into saved_views (organization_id, id, user_id, name, query, sort, is_shared)
	select @org, @id, @user, @name, @query, @sort, @shared
	where (select count(*) from saved_views where organization_id = @org and user_id = @user) < @most`

// CreateSavedView keeps a search and returns its id. fault.Invalid: it has no name, or a long one.
// fault.Conflict: the user has one of that name. fault.Limited: they have MaxSavedViews.
func (st *Store) CreateSavedView(ctx context.Context, org int64, v SavedView) (int64, error) {
	v.Name = strings.TrimSpace(v.Name)
	if n := len([]rune(v.Name)); n == 0 || n > maxSavedViewName {
		return 0, fault.New(fault.Invalid, "A view needs a name of at most %d characters.", maxSavedViewName)
	}
	v.ID = NewID()
	tag, err := st.db.Exec(ctx, sqlInsertSavedView, pgx.StrictNamedArgs{"org": org, "id": v.ID, "user": v.UserID, "name": v.Name,
		"query": v.Query, "sort": string(v.Sort), "shared": v.IsShared, "most": MaxSavedViews})
	err = translate(err, "save a view")
	switch {
	case err != nil && fault.KindOf(err) == fault.Conflict:
		return 0, fault.New(fault.Conflict, "You have a view of this name already.")
	case err == nil && tag.RowsAffected() == 0:
		return 0, fault.New(fault.Limited, "You have %d views already. Delete one first.", MaxSavedViews)
	}
	return v.ID, err
}

const sqlUpdateSavedView = `
	update saved_views set name = @name, query = @query, sort = @sort, is_shared = @shared
	where organization_id = @org and id = @id and user_id = @user`

// UpdateSavedView changes one of a user's own searches. fault.Unknown: they have none of that id.
func (st *Store) UpdateSavedView(ctx context.Context, org int64, v SavedView) error {
	v.Name = strings.TrimSpace(v.Name)
	if n := len([]rune(v.Name)); n == 0 || n > maxSavedViewName {
		return fault.New(fault.Invalid, "A view needs a name of at most %d characters.", maxSavedViewName)
	}
	tag, err := st.db.Exec(ctx, sqlUpdateSavedView, pgx.StrictNamedArgs{"org": org, "id": v.ID, "user": v.UserID, "name": v.Name,
		"query": v.Query, "sort": string(v.Sort), "shared": v.IsShared})
	if err == nil && tag.RowsAffected() == 0 {
		return fault.New(fault.Unknown, "There is no such view of yours.")
	}
	if err = translate(err, "change a view"); fault.KindOf(err) == fault.Conflict && err != nil {
		return fault.New(fault.Conflict, "You have a view of this name already.")
	}
	return err
}

const sqlDeleteSavedView = `delete from saved_views where organization_id = @org and id = @id and user_id = @user`

// DeleteSavedView removes one of a user's own searches. fault.Unknown: they have none of that id.
func (st *Store) DeleteSavedView(ctx context.Context, org, user, id int64) error {
	tag, err := st.db.Exec(ctx, sqlDeleteSavedView, pgx.StrictNamedArgs{"org": org, "id": id, "user": user})
	if err == nil && tag.RowsAffected() == 0 {
		return fault.New(fault.Unknown, "There is no such view of yours.")
	}
	return translate(err, "delete a view")
}

package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
)

// Mark is what a member wants noted about issues; nil stays.
type Mark struct {
	Seen       *bool
	Bookmarked *bool
	Subscribed *bool
}

// The issues are those of the projects; others are left alone.
const (
	sqlMarkIssues = `
		insert into issue_people as p (project_id, issue_id, user_id, seen_at, bookmarked_at, is_subscribed, reason)
		select i.project_id, i.id, @user, case when @seen then now() end, case when @bookmarked then now() end, @subscribed, coalesce(@reason::text, '')
		from issues i where i.project_id = any(@projects::bigint[]) and i.id = any(@ids::bigint[])
		on conflict (project_id, issue_id, user_id) do update set
			seen_at = case when @seen then now() when @seen is null then p.seen_at end,
			bookmarked_at = case when @bookmarked then coalesce(p.bookmarked_at, now()) when @bookmarked is null then p.bookmarked_at end,
			is_subscribed = coalesce(@subscribed, p.is_subscribed), reason = coalesce(@reason, p.reason)`

	// Who was asked and refused stays unsubscribed.
	sqlSubscribe = `
		insert into issue_people as p (project_id, issue_id, user_id, is_subscribed, reason) values (@project, @issue, @user, true, @reason)
		on conflict (project_id, issue_id, user_id) do update set is_subscribed = true, reason = @reason where p.is_subscribed is null`
)

// MarkIssues notes what a member has to do with those of the organization's issues that have one of
// the ids. Bookmarking subscribes.
func (st *Store) MarkIssues(ctx context.Context, org, user int64, ids []int64, m Mark) error {
	projects, err := st.Projects(ctx, org)
	if err != nil {
		return err
	}
	_, err = st.db.Exec(ctx, sqlMarkIssues, m.args(user, (&conditions{projects: projects}).projectIDs(), ids))
	return translate(err, "mark %d issues", len(ids))
}

// args are those of sqlMarkIssues.
func (m Mark) args(user int64, projects, ids []int64) pgx.StrictNamedArgs {
	var reason *string
	if m.Subscribed != nil {
		reason = new("unknown")
	} else if m.Bookmarked != nil && *m.Bookmarked {
		m.Subscribed, reason = new(true), new(issue.ReasonBookmark)
	}
	return pgx.StrictNamedArgs{"user": user, "projects": projects, "ids": ids,
		"seen": m.Seen, "bookmarked": m.Bookmarked, "subscribed": m.Subscribed, "reason": reason}
}

func queueSubscription(b *pgx.Batch, project, id, user int64, reason string) {
	b.Queue(sqlSubscribe, pgx.StrictNamedArgs{"project": project, "issue": id, "user": user, "reason": reason})
}

// IssuePerson is what one member has to do with an issue.
type IssuePerson struct {
	Person
	SeenAt     *time.Time
	Bookmarked bool
	Subscribed *bool // nil: neither asked for nor refused
	Reason     string
}

const sqlIssuePeople = `
	select u.id, u.name, u.email, p.seen_at, p.bookmarked_at is not null, p.is_subscribed, p.reason
	from issue_people p join users u on u.id = p.user_id
	where p.project_id = @project and p.issue_id = @issue order by p.seen_at desc nulls last, u.id limit 200`

// IssuePeople lists who has to do with an issue, who looked at it last first, at most 200.
func (st *Store) IssuePeople(ctx context.Context, project, id int64) ([]IssuePerson, error) {
	rows, _ := st.db.Query(ctx, sqlIssuePeople, pgx.StrictNamedArgs{"project": project, "issue": id})
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p IssuePerson, err error) {
		return p, row.Scan(&p.ID, &p.Name, &p.Email, &p.SeenAt, &p.Bookmarked, &p.Subscribed, &p.Reason)
	})
	return list, translate(err, "list the people of issue %d", id)
}

// IssueMarks are what a list shows beside issues.
type IssueMarks struct {
	Comments   int
	Seen       bool // by the member, since the last event
	Bookmarked bool
	Subscribed *bool
	Reason     string
}

const sqlIssueMarks = `
	select i.id, (select count(*) from activities a where a.project_id = i.project_id and a.issue_id = i.id and a.type = 'note') as comments,
		p.seen_at is not null as seen, p.bookmarked_at is not null as bookmarked, p.is_subscribed, coalesce(p.reason, '') as reason
	from unnest(@projects::bigint[], @ids::bigint[]) as i(project_id, id)
		left join issue_people p on p.project_id = i.project_id and p.issue_id = i.id and p.user_id = @user`

// IssueMarks counts the comments of issues and tells what a member (0: nobody) has to do with them.
func (st *Store) IssueMarks(ctx context.Context, user int64, list []IssueRow) (map[int64]IssueMarks, error) {
	projects, ids := make([]int64, len(list)), make([]int64, len(list))
	for i := range list {
		projects[i], ids[i] = list[i].Project, list[i].ID
	}
	marks := make(map[int64]IssueMarks, len(list))
	rows, _ := st.db.Query(ctx, sqlIssueMarks, pgx.StrictNamedArgs{"projects": projects, "ids": ids, "user": user})
	var id int64
	var m IssueMarks
	_, err := pgx.ForEachRow(rows, []any{&id, &m.Comments, &m.Seen, &m.Bookmarked, &m.Subscribed, &m.Reason}, func() error {
		marks[id] = m
		m = IssueMarks{}
		return nil
	})
	return marks, translate(err, "read the marks of %d issues", len(list))
}

// MaxComment is the most bytes of a comment.
const MaxComment = 64 << 10

// errCommented is what a comment answers that was just made.
func errCommented() error {
	return fault.New(fault.Invalid, "You have already posted that comment.")
}

const (
	sqlSameComment = `
		select exists (select from activities where project_id = @project and issue_id = @issue and type = 'note' and user_id = @user
			and data->>'text' = @text and created_at > @since)`

	sqlUpdateComment = `
		update activities set data = data || jsonb_build_object('text', @text::text)
		where project_id = @project and issue_id = @issue and id = @id and type = 'note' and user_id = @user`

	sqlDeleteComment = `
		delete from activities where project_id = @project and issue_id = @issue and id = @id and type = 'note' and (user_id = @user or @any::boolean)`
)

// Comment adds a comment by a member to an issue of an organization, subscribes the member and
// whom the text mentions, and tells rules. fault.Invalid: the same text within the hour.
func (st *Store) Comment(ctx context.Context, org int64, row *IssueRow, user int64, text string, mentioned []int64) (Activity, error) {
	now := time.Now().UTC()
	projects, err := st.Projects(ctx, org)
	if err != nil {
		return Activity{}, err
	}
	data, err := json.Marshal(map[string]any{"text": clean(text, MaxComment)})
	if err != nil {
		return Activity{}, err
	}
	a := Activity{ID: NewID(), Type: issue.ActivityNote, Data: data, CreatedAt: now}
	err = pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
		var same bool
		if err := tx.QueryRow(ctx, sqlSameComment, pgx.StrictNamedArgs{"project": row.Project, "issue": row.ID, "user": user, "text": clean(text, MaxComment),
			"since": now.Add(-time.Hour)}).Scan(&same); err != nil {
			return err
		}
		if same {
			return errCommented()
		}
		b := &pgx.Batch{}
		b.Queue(sqlInsertActivity, pgx.StrictNamedArgs{"project": row.Project, "id": a.ID, "issue": row.ID, "type": a.Type, "user": user, "data": string(data), "at": now})
		queueSubscription(b, row.Project, row.ID, user, issue.ReasonComment)
		for _, m := range mentioned {
			queueSubscription(b, row.Project, row.ID, m, issue.ReasonMentioned)
		}
		c := row.change(issue.ChangeCommented, (&conditions{projects: projects}).organization(row.Project), user, now)
		c.Text = clean(text, MaxComment)
		if err := queueChanged(b, c); err != nil {
			return err
		}
		return tx.SendBatch(ctx, b).Close()
	})
	return a, translate(err, "comment on issue %d", row.ID)
}

// EditComment changes the text of a member's own comment. fault.Unknown: there is no such comment.
func (st *Store) EditComment(ctx context.Context, row *IssueRow, id, user int64, text string) error {
	tag, err := st.db.Exec(ctx, sqlUpdateComment, pgx.StrictNamedArgs{"project": row.Project, "issue": row.ID, "id": id, "user": user, "text": clean(text, MaxComment)})
	if err == nil && tag.RowsAffected() == 0 {
		return errNoResource()
	}
	return translate(err, "edit comment %d", id)
}

// DeleteComment removes a member's own comment, or, when any is set, anybody's. fault.Unknown: there
// is no such comment.
func (st *Store) DeleteComment(ctx context.Context, row *IssueRow, id, user int64, anybodys bool) error {
	tag, err := st.db.Exec(ctx, sqlDeleteComment, pgx.StrictNamedArgs{"project": row.Project, "issue": row.ID, "id": id, "user": user, "any": anybodys})
	if err == nil && tag.RowsAffected() == 0 {
		return errNoResource()
	}
	return translate(err, "delete comment %d", id)
}

const sqlComments = `
	select a.id, a.type, a.data, a.created_at, coalesce(u.id, 0), coalesce(u.name, ''), coalesce(u.email, '')
	from activities a left join users u on u.id = a.user_id
	where a.project_id = @project and a.issue_id = @issue and a.type = 'note' order by a.id desc limit 1000`

// Comments lists the comments on an issue, newest first, at most 1,000.
func (st *Store) Comments(ctx context.Context, project, issue int64) ([]Activity, error) {
	rows, _ := st.db.Query(ctx, sqlComments, pgx.StrictNamedArgs{"project": project, "issue": issue})
	list, err := pgx.CollectRows(rows, scanActivity)
	return list, translate(err, "list the comments on issue %d", issue)
}

const sqlActivityByID = `
	select a.id, a.type, a.data, a.created_at, coalesce(u.id, 0), coalesce(u.name, ''), coalesce(u.email, '')
	from activities a left join users u on u.id = a.user_id where a.project_id = @project and a.issue_id = @issue and a.id = @id`

// ActivityByID returns one entry of an issue's history. fault.Unknown: it has none of that id.
func (st *Store) ActivityByID(ctx context.Context, project, issue, id int64) (Activity, error) {
	rows, _ := st.db.Query(ctx, sqlActivityByID, pgx.StrictNamedArgs{"project": project, "issue": issue, "id": id})
	a, err := pgx.CollectExactlyOneRow(rows, scanActivity)
	return a, translate(err, "The requested resource does not exist")
}

func scanActivity(row pgx.CollectableRow) (a Activity, err error) {
	var who Person
	if err := row.Scan(&a.ID, &a.Type, &a.Data, &a.CreatedAt, &who.ID, &who.Name, &who.Email); err != nil {
		return a, err
	}
	if who.ID != 0 {
		a.User = &who
	}
	return a, nil
}

// NewShareID is an id to share an issue under: 32 hexadecimal digits that nobody can guess.
func NewShareID() string { return randomHex(16) }

const sqlShareIssue = `
	update issues set share_id = case when @share::text = '' then null else coalesce(share_id, @share) end
	where project_id = @project and id = @id returning coalesce(share_id, '')`

// ShareIssue makes an issue readable for who knows the id that it returns, or, with an empty one,
// for members alone again; the history says so.
func (st *Store) ShareIssue(ctx context.Context, row *IssueRow, user int64, share string) (string, error) {
	if (row.ShareID == "") == (share == "") {
		return row.ShareID, nil
	}
	act := issue.Activity{Type: issue.ActivityPublic}
	if share == "" {
		act.Type = issue.ActivityPrivate
	}
	err := pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, sqlShareIssue, pgx.StrictNamedArgs{"project": row.Project, "id": row.ID, "share": share}).Scan(&row.ShareID); err != nil {
			return err
		}
		b := &pgx.Batch{}
		if err := queueActivity(b, row.Project, row.ID, act, user, time.Now().UTC()); err != nil {
			return err
		}
		return tx.SendBatch(ctx, b).Close()
	})
	return row.ShareID, translate(err, "share issue %d", row.ID)
}

const sqlSharedIssue = `
	select i.project_id, i.id, o.id, o.slug from issues i join projects p on p.id = i.project_id join organizations o on o.id = p.organization_id
	where i.share_id = @share and p.deleted_at is null limit 1`

// SharedIssue returns an issue that is shared under an id, and the slug of its organization.
// fault.Unknown: none is.
func (st *Store) SharedIssue(ctx context.Context, share string) (org string, row IssueRow, err error) {
	var projectID, id, orgID int64
	if err := st.db.QueryRow(ctx, sqlSharedIssue, pgx.StrictNamedArgs{"share": share}).Scan(&projectID, &id, &orgID, &org); err != nil {
		return "", row, translate(err, "The requested resource does not exist")
	}
	row, err = st.IssueByID(ctx, orgID, id)
	return org, row, err
}

// Note adds an entry to the histories of issues that changes nothing else.
func (st *Store) Note(ctx context.Context, rows []IssueRow, act issue.Activity, user int64) error {
	b := &pgx.Batch{}
	for i := range rows {
		if err := queueActivity(b, rows[i].Project, rows[i].ID, act, user, time.Now().UTC()); err != nil {
			return err
		}
	}
	return translate(st.db.SendBatch(ctx, b).Close(), "note in the histories of %d issues", len(rows))
}

const sqlOrganizationActivity = `
	select a.id, a.type, a.data, a.created_at, coalesce(u.id, 0), coalesce(u.name, ''), coalesce(u.email, ''), a.project_id, a.issue_id
	from unnest(@projects::bigint[]) as p(id) cross join lateral (
		select * from activities where project_id = p.id and id < @before order by project_id, id desc limit @limit) as a
		left join users u on u.id = a.user_id
	order by a.id desc limit @limit`

// IssueActivity is an entry of a history with its issue.
type IssueActivity struct {
	Activity
	Project, Issue int64
}

// OrganizationActivity lists what happened to the issues of projects before an entry (0: up to now),
// newest first.
func (st *Store) OrganizationActivity(ctx context.Context, projects []int64, before int64, limit int) ([]IssueActivity, error) {
	if before <= 0 {
		before = 1<<63 - 1
	}
	rows, _ := st.db.Query(ctx, sqlOrganizationActivity, pgx.StrictNamedArgs{"projects": projects, "before": before, "limit": limit})
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a IssueActivity, err error) {
		var who Person
		err = row.Scan(&a.ID, &a.Type, &a.Data, &a.CreatedAt, &who.ID, &who.Name, &who.Email, &a.Project, &a.Issue)
		if who.ID != 0 {
			a.User = &who
		}
		return a, err
	})
	return list, translate(err, "list the activity of %d projects", len(projects))
}

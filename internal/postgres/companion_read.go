package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// AttachmentRow is a stored file of an event.
type AttachmentRow struct {
	event.Attachment
	Event      event.ID
	ReceivedAt time.Time
}

// FeedbackRow is what a user wrote.
type FeedbackRow struct {
	event.Feedback
	ID         event.ID // of the event it is about, or its own
	ReceivedAt time.Time
}

// maxListed is how many files or reports are listed at once.
const maxListed = 100

const sqlAttachmentPart = `
	select a.event_id, a.id, a.name, a.content_type, a.type, a.size_bytes, a.sha1, a.blob_key, a.received_at from attachments a `

const (
	sqlEventAttachments = sqlAttachmentPart + `
		where a.project_id = @project and a.event_id = @event::uuid order by a.received_at, a.name, a.id limit @limit`

	sqlIssueAttachments = sqlAttachmentPart + `
		join event_seen s on s.project_id = a.project_id and s.event_id = a.event_id
		join events e on e.project_id = s.project_id and e.received_at = s.received_at and e.event_id = s.event_id
		where a.project_id = @project and e.issue_id = @issue order by a.received_at desc, a.id limit @limit`
)

// EventAttachments returns the files of an event, which need not be there itself.
func (st *Store) EventAttachments(ctx context.Context, project int64, id event.ID) ([]AttachmentRow, error) {
	return st.attachments(ctx, sqlEventAttachments, pgx.StrictNamedArgs{"project": project, "event": [16]byte(id), "limit": maxListed})
}

// IssueAttachments returns the newest files of an issue's events.
func (st *Store) IssueAttachments(ctx context.Context, project, issue int64) ([]AttachmentRow, error) {
	return st.attachments(ctx, sqlIssueAttachments, pgx.StrictNamedArgs{"project": project, "issue": issue, "limit": maxListed})
}

func (st *Store) attachments(ctx context.Context, sql string, args pgx.StrictNamedArgs) ([]AttachmentRow, error) {
	rows, _ := st.db.Query(ctx, sql, args) // Collect reports a failed Query
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a AttachmentRow, err error) {
		var id pgtype.UUID
		err = row.Scan(&id, &a.ID, &a.Name, &a.ContentType, &a.Type, &a.Size, &a.SHA1, &a.Blob, &a.ReceivedAt)
		a.Event = id.Bytes
		return a, err
	})
	return list, translate(err, "list attachments")
}

const sqlFeedbackPart = `
	select f.id, f.kind, f.event_id, f.received_at, f.name, f.email, f.message, f.url, f.source from feedback f `

const (
	sqlEventFeedback = sqlFeedbackPart + `
		where f.project_id = @project and f.event_id = @event::uuid order by f.received_at desc, f.id limit @limit`

	sqlProjectFeedback = sqlFeedbackPart + `
		where f.project_id = @project order by f.received_at desc, f.id limit @limit`

	sqlIssueFeedback = sqlFeedbackPart + `
		join event_seen s on s.project_id = f.project_id and s.event_id = f.event_id
		join events e on e.project_id = s.project_id and e.received_at = s.received_at and e.event_id = s.event_id
		where f.project_id = @project and e.issue_id = @issue order by f.received_at desc, f.id limit @limit`
)

// EventFeedback returns what users wrote about an event, newest first.
func (st *Store) EventFeedback(ctx context.Context, project int64, id event.ID) ([]FeedbackRow, error) {
	return st.feedback(ctx, sqlEventFeedback, pgx.StrictNamedArgs{"project": project, "event": [16]byte(id), "limit": maxListed})
}

// IssueFeedback returns what users wrote about an issue's events, newest first.
func (st *Store) IssueFeedback(ctx context.Context, project, issue int64) ([]FeedbackRow, error) {
	return st.feedback(ctx, sqlIssueFeedback, pgx.StrictNamedArgs{"project": project, "issue": issue, "limit": maxListed})
}

// ProjectFeedback returns the newest of what users of a project wrote.
func (st *Store) ProjectFeedback(ctx context.Context, project int64) ([]FeedbackRow, error) {
	return st.feedback(ctx, sqlProjectFeedback, pgx.StrictNamedArgs{"project": project, "limit": maxListed})
}

func (st *Store) feedback(ctx context.Context, sql string, args pgx.StrictNamedArgs) ([]FeedbackRow, error) {
	rows, _ := st.db.Query(ctx, sql, args) // Collect reports a failed Query
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (f FeedbackRow, err error) {
		var id, about pgtype.UUID
		err = row.Scan(&id, &f.Kind, &about, &f.ReceivedAt, &f.Name, &f.Email, &f.Message, &f.URL, &f.Source)
		f.ID, f.About = id.Bytes, about.Bytes
		return f, err
	})
	return list, translate(err, "list feedback")
}

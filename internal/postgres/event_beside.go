package postgres

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// EventBeside is what the page of an event shows beside it.
type EventBeside struct {
	Newer    int             // events of the issue that came later, up to MaxEventRank
	Files    []AttachmentRow // as EventAttachments lists them
	Feedback []FeedbackRow   // as EventFeedback lists them
	Revision int64           // of the project's artifacts, as ArtifactRevision tells it
}

// sqlNeighboursPart finds the events around one, and the ends of the issue's list.
const sqlNeighboursPart = `
	select (select event_id from (` + sqlOlderEvent + `) as e) as prev, (select event_id from (` + sqlNewerEvent + `) as e) as next,
		(select event_id from (` + sqlOldestEvent + `) as e) as first, (select event_id from (` + sqlNewestEvent + `) as e) as last`

const (
	sqlNeighbours = sqlNeighboursPart

	sqlEventBeside = sqlNeighboursPart + `, (` + sqlEventRank + `)::int as newer,
		coalesce((select json_agg(a) from (` + sqlEventAttachments + `) as a), '[]') as files,
		coalesce((select json_agg(f) from (` + sqlEventFeedback + `) as f), '[]') as feedback,
		(` + sqlArtifactRevision + `) as revision`
)

type neighbours struct {
	Prev, Next, First, Last pgtype.UUID // null: there is none
}

type eventBesideRow struct {
	neighbours
	Newer    int
	Files    []fileDocument
	Feedback []feedbackDocument
	Revision int64
}

// fileDocument is a row of sqlEventAttachments as JSON.
type fileDocument struct {
	EventID     idText    `json:"event_id"`
	ID          int64     `json:"id"`
	Name        string    `json:"name"`
	ContentType string    `json:"content_type"`
	Type        string    `json:"type"`
	Size        int64     `json:"size_bytes"`
	SHA1        hexBytes  `json:"sha1"`
	Blob        string    `json:"blob_key"`
	ReceivedAt  time.Time `json:"received_at"`
}

// hexBytes are bytes as Postgres writes them in JSON: \x and hexadecimal digits.
type hexBytes []byte

func (h *hexBytes) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	raw, err := hex.DecodeString(strings.TrimPrefix(s, `\x`))
	*h = raw
	return err
}

// idText is an event id as Postgres writes it in JSON; null is the zero one.
type idText event.ID

func (t *idText) UnmarshalJSON(text []byte) error {
	var s *string
	if err := json.Unmarshal(text, &s); err != nil || s == nil {
		return err
	}
	id, err := event.ParseID(*s)
	*t = idText(id)
	return err
}

// feedbackDocument is a row of sqlEventFeedback as JSON.
type feedbackDocument struct {
	ID         idText             `json:"id"`
	Kind       event.FeedbackKind `json:"kind"`
	EventID    idText             `json:"event_id"`
	ReceivedAt time.Time          `json:"received_at"`
	Name       string             `json:"name"`
	Email      string             `json:"email"`
	Message    string             `json:"message"`
	URL        string             `json:"url"`
	Source     string             `json:"source"`
}

// EventBeside finds the neighbours of an event that ChosenEvent returned, and reads what is kept
// beside it.
func (st *Store) EventBeside(ctx context.Context, v *EventView, environments []string) (b EventBeside, err error) {
	args := v.neighbourArgs(environments)
	args["most"], args["limit"] = MaxEventRank, maxListed
	var found eventBesideRow
	err = st.read(ctx, func(tx pgx.Tx) (err error) {
		rows, _ := tx.Query(ctx, sqlEventBeside, args)
		found, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[eventBesideRow])
		return err
	})
	v.setNeighbours(found.neighbours)
	b.Newer, b.Revision = found.Newer, found.Revision
	for _, f := range found.Files {
		b.Files = append(b.Files, AttachmentRow{Event: event.ID(f.EventID), ReceivedAt: f.ReceivedAt, Attachment: event.Attachment{ID: f.ID, Name: f.Name, ContentType: f.ContentType,
			Type: f.Type, Size: f.Size, SHA1: f.SHA1, Blob: f.Blob}})
	}
	for _, f := range found.Feedback {
		b.Feedback = append(b.Feedback, FeedbackRow{ID: event.ID(f.ID), ReceivedAt: f.ReceivedAt, Feedback: event.Feedback{Kind: f.Kind, About: event.ID(f.EventID), Name: f.Name,
			Email: f.Email, Message: f.Message, URL: f.URL, Source: f.Source}})
	}
	return b, translate(err, "read what is beside an event of issue %d", v.Issue)
}

func (v *EventView) neighbourArgs(environments []string) pgx.StrictNamedArgs {
	return pgx.StrictNamedArgs{"project": v.Project, "issue": v.Issue, "environments": environments, "at": v.ReceivedAt, "event": [16]byte(v.Event.ID)}
}

func (v *EventView) setNeighbours(n neighbours) {
	v.Prev, v.Next, v.First, v.Last = n.Prev.Bytes, n.Next.Bytes, n.First.Bytes, n.Last.Bytes
}

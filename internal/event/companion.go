package event

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// The item types of what comes with events and is kept beside them.
const (
	ItemAttachment = "attachment"  // Raw.Payload is an Attachment as JSON
	ItemUserReport = "user_report" // Raw.Payload is what the client sent
	ItemFeedback   = "feedback"    // Raw.Payload is an event
)

// Attachment is a file that belongs to an event and whose bytes are stored already.
type Attachment struct {
	ID          int64  `json:"id"` // the same whenever the client sends the same file of the same event
	Name        string `json:"name"`
	ContentType string `json:"content_type,omitempty"`
	Type        string `json:"type"` // the protocol's attachment_type
	Size        int64  `json:"size"` // bytes
	SHA1        []byte `json:"sha1"`
	Blob        string `json:"blob,omitempty"` // key in the blob store; empty for a file without bytes
}

// DefaultAttachment is the type of attachments that name none.
// Rule: getsentry/relay relay-server/src/envelope/attachment.rs
const DefaultAttachment = "event.attachment"

// FeedbackKind tells how a user's words came.
type FeedbackKind int16

// The kinds. The numbers are stored.
const (
	UserReport   FeedbackKind = 1 // a user_report item, or the crash dialog
	UserFeedback FeedbackKind = 2 // a feedback event
)

// Feedback is what a user wrote about an event, or about nothing in particular.
type Feedback struct {
	Kind    FeedbackKind
	About   ID // the event it is about; zero when it names none
	Name    string
	Email   string
	Message string
	URL     string
	Source  string
}

// Bounds on feedback, in characters.
// Rule: getsentry/relay relay-event-schema/src/protocol/user_report.rs, contexts/user_report_v2.rs
const (
	maxFeedbackName    = 128
	maxFeedbackEmail   = 75
	maxFeedbackMessage = 4096
	maxFeedbackURL     = 2048
)

// DecodeUserReport reads the payload of a user report about an event. ok is false when it is no
// JSON object or says nothing. A field of the wrong type costs only that field.
func DecodeUserReport(payload []byte, about ID) (f Feedback, ok bool) {
	var fields struct {
		Name     laxText `json:"name"`
		Email    laxText `json:"email"`
		Comments laxText `json:"comments"`
	}
	if json.Unmarshal(payload, &fields) != nil {
		return Feedback{}, false
	}
	f = Feedback{Kind: UserReport, About: about, Name: string(fields.Name), Email: string(fields.Email), Message: string(fields.Comments)}
	return f.trimmed()
}

// Feedback is what the user of a feedback event wrote. ok is false when there is no message.
// Rule: https://develop.sentry.dev/sdk/data-model/envelope-items/#user-feedback
func (ev *Event) Feedback() (f Feedback, ok bool) {
	for i := range ev.Contexts {
		if ev.Contexts[i].Name != "feedback" {
			continue
		}
		text := func(name string) string {
			var s laxText
			_ = json.Unmarshal(ev.Contexts[i].Data.Get(name), &s) // stays empty
			return string(s)
		}
		f = Feedback{Kind: UserFeedback, Name: text("name"), Email: text("contact_email"), Message: text("message"), URL: text("url"), Source: text("source")}
		if id, err := ParseID(text("associated_event_id")); err == nil {
			f.About = id
		}
		break
	}
	return f.trimmed()
}

func (f Feedback) trimmed() (Feedback, bool) {
	f.Name, f.Email = cut(f.Name, maxFeedbackName), cut(f.Email, maxFeedbackEmail)
	f.Message, f.URL = cut(f.Message, maxFeedbackMessage), cut(f.URL, maxFeedbackURL)
	f.Source = cut(f.Source, maxFeedbackName)
	return f, f.Message != ""
}

// cut removes white space at the ends and what is past n characters.
func cut(s string, n int) string {
	s = strings.TrimSpace(strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) <= n || utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n])
}

// laxText takes a JSON text, or the digits of a number; anything else is empty.
type laxText string

// UnmarshalJSON implements json.Unmarshaler.
func (s *laxText) UnmarshalJSON(b []byte) error {
	var text string
	switch {
	case json.Unmarshal(b, &text) == nil:
		*s = laxText(text)
	case bytes.IndexByte([]byte("-0123456789"), b[0]) >= 0:
		*s = laxText(b)
	}
	return nil
}

// IsCompanion reports whether queued messages of an item type are kept beside events, not as such.
func IsCompanion(itemType string) bool {
	return itemType == ItemAttachment || itemType == ItemUserReport || itemType == ItemFeedback
}

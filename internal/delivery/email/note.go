package email

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"

	gomail "github.com/wneessen/go-mail"

	"github.com/tocsin-dev/tocsin/internal/delivery"
)

// SendText mails a plain text to one address, once. base is the installation's address.
func (r *Relay) SendText(ctx context.Context, base, to, subject, text string) error {
	from := r.Sender(base)
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithEncoding(gomail.EncodingQP))
	if err := errors.Join(m.FromFormat(from.Name, from.Address), m.To(to)); err != nil {
		return err
	}
	m.Subject(delivery.Line(subject, 200))
	m.SetDate()
	m.SetMessageIDWithValue("note." + rand.Text() + "@" + hostOf(base))
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetBodyString(gomail.TypeTextPlain, text)
	var raw bytes.Buffer
	if _, err := m.WriteTo(&raw); err != nil {
		return err
	}
	if a := r.Deliver(ctx, from.Address, []string{to}, raw.Bytes()); a.Error != "" {
		return errors.New(a.Error)
	}
	return nil
}

package email

import (
	"context"
	"errors"
	"net"
	"net/mail"
	"net/textproto"
	"net/url"
	"strconv"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/seal"
)

// sendTimeout bounds one message, from the connection to the relay's last word.
const sendTimeout = 15 * time.Second

// Relay is the operator's mail server. Nil: there is none.
type Relay struct {
	host   string
	port   int
	ssl    bool
	policy gomail.TLSPolicy
	user   string
	secret seal.Secret
	From   string // as it was given; empty: made from the installation's address
}

// ParseRelay reads smtp://user:password@host:587 or smtps://…; ?tls=off keeps smtp from asking for
// STARTTLS. Nil for an empty address. fault.Invalid names what is wrong, not the secret.
func ParseRelay(address seal.Secret, from string) (*Relay, error) {
	if from != "" {
		if _, err := mail.ParseAddress(from); err != nil {
			return nil, fault.New(fault.Invalid, "the sender of mail is an address such as Tocsin <tocsin@example.com>")
		}
	}
	if address == "" {
		return nil, nil
	}
	u, err := url.Parse(address.Reveal())
	if err != nil || u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps" {
		return nil, fault.New(fault.Invalid, "a mail relay is smtp://user:password@host:587 or smtps://…")
	}
	r := &Relay{host: u.Hostname(), port: 587, ssl: u.Scheme == "smtps", policy: gomail.TLSOpportunistic, From: from}
	if r.ssl {
		r.port = 465
	}
	if p := u.Port(); p != "" {
		if r.port, err = strconv.Atoi(p); err != nil || r.port < 1 || r.port > 65535 {
			return nil, fault.New(fault.Invalid, "the port of the mail relay is a number up to 65535")
		}
	}
	if u.User != nil {
		r.user = u.User.Username()
		password, _ := u.User.Password()
		r.secret, r.policy = seal.Secret(password), gomail.TLSMandatory // a password is never sent in the clear
	}
	switch tls := u.Query().Get("tls"); tls {
	case "":
	case "required":
		r.policy = gomail.TLSMandatory
	case "off":
		if r.user != "" {
			return nil, fault.New(fault.Invalid, "a password is not sent to a mail relay without TLS")
		}
		r.policy = gomail.NoTLS
	default:
		return nil, fault.New(fault.Invalid, "tls of the mail relay is required or off")
	}
	return r, nil
}

// Sender is the address that mail comes from.
func (r *Relay) Sender(base string) *mail.Address {
	if r != nil && r.From != "" {
		if a, err := mail.ParseAddress(r.From); err == nil {
			return a
		}
	}
	return &mail.Address{Name: "Tocsin", Address: "tocsin@" + hostOf(base)}
}

// hostOf is the host of the installation as a mail domain.
func hostOf(base string) string {
	if u, err := url.Parse(base); err == nil && u.Hostname() != "" {
		if net.ParseIP(u.Hostname()) == nil {
			return u.Hostname()
		}
	}
	return "localhost.localdomain"
}

// Deliver hands over a finished message once.
func (r *Relay) Deliver(ctx context.Context, from string, to []string, message []byte) alert.Answer {
	if r == nil {
		return alert.Answer{Error: "no mail relay is configured: set TOCSIN_SMTP_URL", Final: true}
	}
	if len(to) == 0 {
		return alert.Answer{Error: "the message has no recipient", Final: true}
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	options := []gomail.Option{gomail.WithPort(r.port), gomail.WithTimeout(sendTimeout), gomail.WithTLSPolicy(r.policy), gomail.WithHELO("tocsin")}
	if r.ssl {
		options = append(options, gomail.WithSSL())
	}
	if r.user != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(r.user), gomail.WithPassword(r.secret.Reveal()))
	}
	client, err := gomail.NewClient(r.host, options...)
	if err != nil {
		return alert.Answer{Error: "the mail relay's settings do not work", Final: true}
	}
	c, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return explain(ctx, err)
	}
	defer func() { _ = c.Close() }() // after Quit it is closed already
	if err := c.Mail(from); err != nil {
		return explain(ctx, err)
	}
	for _, address := range to {
		if err := c.Rcpt(address); err != nil {
			return explain(ctx, err)
		}
	}
	w, err := c.Data()
	if err != nil {
		return explain(ctx, err)
	}
	if _, err := w.Write(message); err != nil {
		return explain(ctx, err)
	}
	if err := w.Close(); err != nil {
		return explain(ctx, err)
	}
	_ = c.Quit() // the relay has taken the message
	return alert.Answer{Status: 250, Response: "accepted by the mail relay"}
}

// explain turns a failure into an answer: 5xx is final, 4xx, as greylisting is, is not.
func explain(ctx context.Context, err error) alert.Answer {
	var said *textproto.Error
	if errors.As(err, &said) {
		return alert.Answer{Status: said.Code, Error: "the mail relay answered " + strconv.Itoa(said.Code), Final: said.Code >= 500 && said.Code != 530 && said.Code != 535,
			Response: delivery.Line(said.Msg, 1024)}
	}
	a := alert.Answer{Error: "the mail relay could not be reached", Cut: errors.Is(ctx.Err(), context.Canceled)}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		a.Error = "the mail relay did not answer in time"
	}
	return a
}

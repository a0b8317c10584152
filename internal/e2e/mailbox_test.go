package e2e

import (
	"bufio"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net"
	"strings"
	"sync"
	"testing"
)

// mailbox is a mail relay that keeps what it is given.
type mailbox struct {
	address string
	mu      sync.Mutex
	mails   []mail
}

type mail struct{ to, subject, text string }

func newMailbox(t *testing.T) *mailbox {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	m := &mailbox{address: ln.Addr().String()}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go m.take(c)
		}
	}()
	return m
}

// take speaks as much of SMTP as a sender needs.
func (m *mailbox) take(c net.Conn) {
	defer c.Close()
	r, to := bufio.NewReader(c), ""
	answer := func(text string) { _, _ = fmt.Fprintf(c, "%s\r\n", text) }
	answer("220 mailbox")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch strings.ToUpper(verb) {
		case "EHLO", "HELO", "MAIL", "RSET", "NOOP":
			answer("250 ok")
		case "RCPT":
			to = strings.Trim(strings.TrimPrefix(strings.ToUpper(rest), "TO:"), "<>")
			answer("250 ok")
		case "DATA":
			answer("354 go on")
			m.keep(strings.ToLower(to), r)
			answer("250 taken")
		case "QUIT":
			answer("221 bye")
			return
		default:
			answer("502 no")
		}
	}
}

func (m *mailbox) keep(to string, r *bufio.Reader) {
	var head, body strings.Builder
	part := &head
	for {
		line, err := r.ReadString('\n')
		if err != nil || line == ".\r\n" {
			break
		}
		if part == &head && line == "\r\n" {
			part = &body
			continue
		}
		part.WriteString(line)
	}
	subject := ""
	for line := range strings.Lines(head.String()) {
		if text, ok := strings.CutPrefix(line, "Subject: "); ok {
			subject = strings.TrimSpace(text)
		}
	}
	text, _ := io.ReadAll(quotedprintable.NewReader(strings.NewReader(body.String())))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mails = append(m.mails, mail{to, subject, string(text)})
}

// find is the newest mail to an address.
func (m *mailbox) find(to string) (mail, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := len(m.mails) - 1; i >= 0; i-- {
		if m.mails[i].to == to {
			return m.mails[i], nil
		}
	}
	return mail{}, fmt.Errorf("no mail to %s among %d", to, len(m.mails))
}

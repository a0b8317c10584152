package operator

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// announce tells a person where everything is, once it answers.
func (in *installation) announce(out io.Writer, u *Up, first *Credentials, took time.Duration) {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-11s %s\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&b, "\nTocsin is ready (%.1f s)\n\n", took.Seconds())
	row("pages", "%s", u.URL)
	c := first
	if c == nil {
		c, _ = readCredentials(u.Data)
	}
	if c != nil {
		row("DSN", "%s", c.DSN)
	}
	switch {
	case first != nil:
		row("sign in", "%s  %s", first.Email, first.Password)
		row("API token", "%s", first.AuthToken)
		row("", "these are shown once; they are kept in %s/bootstrap.json", u.Data)
	case c != nil:
		row("sign in", "%s, password in %s/bootstrap.json", c.Email, u.Data)
	}
	b.WriteByte('\n')
	row("services", "ingest, processor, notifier, web in this process")
	if in.nats != nil {
		row("NATS", "embedded, no open port, every write synced, %s/nats", u.Data)
	} else {
		row("NATS", "yours (--nats-url)")
	}
	if in.postgres != nil {
		row("Postgres", "private, %s/postgres", u.Data)
	} else {
		row("Postgres", "yours (--database-url)")
	}
	row("health", "%s/_health/?full", u.URL)
	b.WriteString("\nStop with Ctrl-C.\n")
	_, _ = io.WriteString(out, b.String())
}

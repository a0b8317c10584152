package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Error codes that decide more than their class does.
// Rule: https://www.postgresql.org/docs/current/errcodes-appendix.html
const (
	codeUniqueViolation     = "23505"
	codeSerializationFailed = "40001"
	codeDeadlock            = "40P01"
	codeLockTimeout         = "55P03"
	codeNoPartition         = "23514" // check_violation: no partition of relation found for row
	codeReadOnly            = "25006" // a standby, until it is promoted
	codeDuplicateTable      = "42P07"
)

// translate turns a failure of the database into a fault whose text is the formatted one. Faults
// and nil pass unchanged.
func translate(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	return fault.Wrap(err, kindOf(err), "%s", fmt.Sprintf(format, args...))
}

func kindOf(err error) fault.Kind {
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.Unknown
	}
	code := codeOf(err)
	switch {
	case code == "": // no answer came: a connection, a timeout, or the caller gave up
		var connect *pgconn.ConnectError
		if errors.As(err, &connect) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
			pgconn.SafeToRetry(err) || isNetwork(err) {
			return fault.Unavailable
		}
		return fault.Internal
	case code == codeUniqueViolation:
		return fault.Conflict
	case transient(code):
		return fault.Unavailable
	}
	return fault.Internal
}

// transient reports whether the same statement may succeed later: connections (08), transaction
// rollbacks (40), resources (53), locks (55), intervention (57), system (58).
func transient(code string) bool {
	switch code[:2] {
	case "08", "40", "53", "55", "57", "58":
		return true
	}
	return code == codeReadOnly
}

// codeOf is the server's error code, empty when the server did not answer.
func codeOf(err error) string {
	var answer *pgconn.PgError
	if errors.As(err, &answer) && len(answer.Code) == 5 {
		return answer.Code
	}
	return ""
}

func isNetwork(err error) bool {
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) {
		return true
	}
	text := err.Error() // pgx reports a connection lost in mid-answer as plain text
	return strings.Contains(text, "unexpected EOF") || strings.Contains(text, "conn closed") || strings.Contains(text, "closed pool")
}

func invalidURL(err error) error {
	return fault.Wrap(err, fault.Invalid, "the database URL is malformed")
}

// attempts is how often retry runs its work.
const attempts = 8

// racing are the codes of failures that come from concurrent transactions.
var racing = []string{codeSerializationFailed, codeDeadlock, codeLockTimeout, codeUniqueViolation, codeNoPartition, codeDuplicateTable}

// retry runs work again when it lost against a concurrent transaction: serialization failures,
// deadlocks, lock timeouts, and rows that appeared in between. Other failures return at once.
func retry(ctx context.Context, work func() error) error {
	for attempt := 1; ; attempt++ {
		err := work()
		if err == nil || attempt == attempts {
			return err
		}
		if !errors.Is(err, errRace) && !slices.Contains(racing, codeOf(err)) {
			return err
		}
		timer := time.NewTimer(time.Duration(attempt)*5*time.Millisecond + rand.N(20*time.Millisecond))
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
	}
}

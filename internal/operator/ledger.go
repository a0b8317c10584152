package operator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// LedgerCmd groups the commands about what became of items.
type LedgerCmd struct {
	Check LedgerCheck `cmd:"" help:"Compare what was received with what became of it; exit 1 with the minutes that differ."`
}

// LedgerCheck compares the two sides of the ledger.
type LedgerCheck struct {
	DatabaseURL string        `name:"database-url" required:"" help:"Postgres." env:"TOCSIN_DATABASE_URL"`
	Since       time.Duration `help:"How far to look back." default:"24h"`
	Settle      time.Duration `help:"Leave out this much of the latest time, whose items may still be on their way." default:"2m"`
	JSON        bool          `name:"json" help:"Print JSON."`
}

// ledgerReport is what the command prints as JSON.
type ledgerReport struct {
	From       time.Time      `json:"from"`
	Until      time.Time      `json:"until"`
	Received   int64          `json:"received"`
	Outcomes   int64          `json:"outcomes"`
	Difference int64          `json:"difference"`
	Missing    int64          `json:"missing"`
	Surplus    int64          `json:"surplus"`
	Minutes    []ledgerMinute `json:"minutes"`
}

type ledgerMinute struct {
	postgres.LedgerMinute
	Category string `json:"category"`
}

// errLedger ends the command with status 1.
var errLedger = errors.New("the ledger does not close")

// Run implements the command.
func (l LedgerCheck) Run(ctx context.Context, out io.Writer) error {
	st, err := postgres.Open(ctx, l.DatabaseURL, postgres.Options{Name: "ledger check", MaxConns: 1})
	if err != nil {
		return err
	}
	defer st.Close()
	now := time.Now().UTC()
	report := ledgerReport{From: now.Add(-l.Since).Truncate(time.Minute), Until: now.Add(-l.Settle), Minutes: []ledgerMinute{}}
	found, err := st.CheckLedger(ctx, report.From, report.Until)
	if err != nil {
		return err
	}
	report.Received, report.Outcomes, report.Difference = found.Received, found.Outcomes, found.Difference()
	report.Missing, report.Surplus = found.Missing, found.Surplus
	for _, m := range found.Minutes {
		report.Minutes = append(report.Minutes, ledgerMinute{m, m.Category.String()})
	}
	if l.JSON {
		err = writeJSON(out, report)
	} else {
		err = report.write(out)
	}
	if err == nil && report.Difference != 0 {
		err = errLedger
	}
	return err
}

func (r ledgerReport) write(out io.Writer) error {
	_, err := fmt.Fprintf(out, "received %d, outcomes %d: difference %d (%d without an outcome, %d not received)\n",
		r.Received, r.Outcomes, r.Difference, r.Missing, r.Surplus)
	for _, m := range r.Minutes {
		if err == nil {
			_, err = fmt.Fprintf(out, "%s  project %d  key %d  %s: received %d, outcomes %d\n",
				m.Minute.UTC().Format("2006-01-02 15:04"), m.Project, m.KeyID, m.Category, m.Received, m.Outcomes)
		}
	}
	return err
}

// Package operator is the command line of Tocsin: running all four services in one process, and
// what an operator does beside that.
package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"

	"github.com/tocsin-dev/tocsin/internal/app"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/operator/remote"
	"github.com/tocsin-dev/tocsin/internal/telemetry"
)

// CLI is the command tree of the tocsin program.
type CLI struct {
	Up        Up          `cmd:"" help:"Run everything in one process: the four services, and unless told otherwise a private Postgres and an embedded NATS."`
	Migrate   Migrate     `cmd:"" help:"Bring the schema, the streams and the buckets up to this release."`
	Bootstrap Bootstrap   `cmd:"" help:"Make the first organization, project, owner and API token in a database that has none."`
	Bindings  BindingsCmd `cmd:"" help:"Show and apply who may call and publish what."`
	DLQ       DLQCmd      `cmd:"" name:"dlq" help:"Look at, try, replay and discard messages that could not be handled."`
	Jobs      JobsCmd     `cmd:"" help:"List, start, follow and cancel long work: symbolicating, grouping, exporting and erasing stored events."`
	Queue     QueueCmd    `cmd:"" help:"Look at, pause and resume the queues."`
	Doctor    DoctorCmd   `cmd:"" help:"Check a running installation for what operators forget, and say what to do; exit 1 when something must be done."`
	Backup    BackupCmd   `cmd:"" help:"Save a running installation into a folder."`
	Verify    VerifyCmd   `cmd:"" help:"Rehearse the restore of a backup and check that it adds up."`
	Restore   RestoreCmd  `cmd:"" help:"Make an installation from a backup."`
	Upgrade   UpgradeCmd  `cmd:"" help:"Tell what an upgrade to this release would change."`
	Ledger    LedgerCmd   `cmd:"" help:"Check that everything received is accounted for."`
	Version   VersionCmd  `cmd:"" help:"Print the version."`

	Issue      remote.IssueCmd      `cmd:"" help:"List, show and resolve issues of a running installation."`
	Project    remote.ProjectCmd    `cmd:"" help:"List and make projects."`
	Key        remote.KeyCmd        `cmd:"" help:"List and make client keys."`
	User       remote.UserCmd       `cmd:"" help:"Make accounts, invite people, reset passwords."`
	Token      remote.TokenCmd      `cmd:"" help:"Make, list and revoke API tokens."`
	Import     remote.ImportCmd     `cmd:"" help:"Take over projects and issues from Sentry, GlitchTip or Bugsink."`
	Completion remote.CompletionCmd `cmd:"" help:"Print a script that completes this command line, for bash, zsh or fish."`
}

// Main runs the tocsin program and exits.
func Main() {
	ctx, cancel := app.Signals()
	defer cancel()
	if err := Run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "tocsin:", err)
		os.Exit(remote.ExitCode(err))
	}
}

// Run executes one command line; output for people and scripts goes to out.
func Run(ctx context.Context, args []string, out io.Writer) error {
	var cli CLI
	parser, err := kong.New(&cli,
		kong.Name("tocsin"),
		kong.Description("Tocsin, a self-hosted error tracker for Sentry SDKs. Every flag can also be set by its environment variable. Exit status: 0 done, 1 failed, 2 usage or a refused value, 3 not found, 4 not allowed, 5 not reachable or too busy, 6 conflict."),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.BindTo(out, (*io.Writer)(nil)),
		kong.Vars{"listen": "127.0.0.1:9000"},
	)
	if err != nil {
		return err
	}
	cmd, err := parser.Parse(args)
	var usage *kong.ParseError
	if errors.As(err, &usage) {
		_ = usage.Context.PrintUsage(true) // the error says what is wrong
		return fault.New(fault.Invalid, "%s", err)
	}
	parser.FatalIfErrorf(err)
	return cmd.Run(parser)
}

// VersionCmd prints the release of this build.
type VersionCmd struct{}

// Run implements the command.
func (VersionCmd) Run(out io.Writer) error {
	_, err := fmt.Fprintln(out, telemetry.Version())
	return err
}

func writeJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

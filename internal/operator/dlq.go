package operator

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// DLQCmd groups the commands about messages that could not be handled.
type DLQCmd struct {
	List    DLQList    `cmd:"" help:"List dead letters by error; with --all or --group one by one."`
	Show    DLQShow    `cmd:"" help:"Print all that is known of one dead letter."`
	DryRun  DLQDryRun  `cmd:"" name:"dry-run" help:"Say what would become of dead letters if they were replayed now; nothing is stored."`
	Replay  DLQReplay  `cmd:"" help:"Put dead letters back into their queues."`
	Discard DLQDiscard `cmd:"" help:"Remove dead letters for good."`
	Runs    DLQRuns    `cmd:"" help:"List what was replayed and discarded, by whom and why."`
}

type letter struct {
	ID       string    `json:"id"`
	Queue    string    `json:"queue"`
	Group    string    `json:"group"`
	Error    string    `json:"error"`
	Attempts int       `json:"attempts"`
	LastAt   time.Time `json:"lastAt"`
	Bytes    int       `json:"bytes"`
	EventID  *string   `json:"eventId"`
	Project  *string   `json:"projectId"`
}

// DLQList lists dead letters.
type DLQList struct {
	Remote
	Queue string `help:"Only those of this queue."`
	Group string `help:"One by one, those of this group."`
	All   bool   `help:"One by one, all of them."`
	JSON  bool   `name:"json" help:"Print JSON."`
}

// Run implements the command.
func (c *DLQList) Run(ctx context.Context, out io.Writer) error {
	if c.All || c.Group != "" {
		return c.letters(ctx, out)
	}
	var answer struct {
		Groups []struct {
			ID      string    `json:"id"`
			Queue   string    `json:"queue"`
			Pattern string    `json:"pattern"`
			Count   int       `json:"count"`
			LastAt  time.Time `json:"lastAt"`
		} `json:"groups"`
		Complete bool `json:"complete"`
	}
	if _, err := c.call(ctx, http.MethodGet, "dead-letters/groups/", url.Values{"queue": {c.Queue}}, nil, &answer); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(out, answer)
	}
	if len(answer.Groups) == 0 {
		_, err := fmt.Fprintln(out, "There are no dead letters.")
		return err
	}
	return table(out, "GROUP\tQUEUE\tLETTERS\tLATEST\tERROR", func(w io.Writer) {
		for _, g := range answer.Groups {
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", g.ID, g.Queue, g.Count, g.LastAt.Format(time.DateTime), oneLine(g.Pattern))
		}
	})
}

func (c *DLQList) letters(ctx context.Context, out io.Writer) error {
	all, cursor := []letter{}, "1"
	for cursor != "" {
		var page []letter
		next, err := c.call(ctx, http.MethodGet, "dead-letters/", url.Values{"queue": {c.Queue}, "group": {c.Group}, "cursor": {cursor}}, nil, &page)
		if err != nil {
			return err
		}
		all, cursor = append(all, page...), next
	}
	if c.JSON {
		return writeJSON(out, all)
	}
	return table(out, "LETTER\tQUEUE\tATTEMPTS\tGIVEN UP\tBYTES\tEVENT\tERROR", func(w io.Writer) {
		for _, l := range all {
			event := "-"
			if l.EventID != nil {
				event = *l.EventID
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%d\t%s\t%s\n", l.ID, l.Queue, l.Attempts, l.LastAt.Format(time.DateTime), l.Bytes, event, oneLine(l.Error))
		}
	})
}

// DLQShow prints one dead letter.
type DLQShow struct {
	Remote
	ID string `arg:"" help:"Such as dlq-17."`
}

// Run implements the command.
func (c *DLQShow) Run(ctx context.Context, out io.Writer) error {
	var answer map[string]any
	if _, err := c.call(ctx, http.MethodGet, "dead-letters/"+url.PathEscape(c.ID)+"/", nil, nil, &answer); err != nil {
		return err
	}
	return writeJSON(out, answer)
}

// selection says which dead letters a command is about.
type selection struct {
	IDs   []string `arg:"" optional:"" name:"letter" help:"Dead letters, such as dlq-17."`
	Queue string   `help:"Those of this queue."`
	Group string   `help:"Those of this group, as list prints it."`
	All   bool     `help:"All of them."`
}

func (s selection) body(reason string) (map[string]any, error) {
	if len(s.IDs) == 0 && s.Queue == "" && s.Group == "" && !s.All {
		return nil, fault.New(fault.Invalid, "name dead letters, or give --queue, --group or --all")
	}
	return map[string]any{"letters": s.IDs, "queue": s.Queue, "group": s.Group, "all": s.All, "reason": reason}, nil
}

// DLQDryRun rehearses a replay.
type DLQDryRun struct {
	Remote
	selection
	JSON bool `name:"json" help:"Print JSON."`
}

// Run implements the command.
func (c *DLQDryRun) Run(ctx context.Context, out io.Writer) error {
	body, err := c.body("")
	if err != nil {
		return err
	}
	var answer struct {
		Results []struct {
			ID       string  `json:"id"`
			Verdict  string  `json:"verdict"`
			Reason   string  `json:"reason"`
			Title    string  `json:"title"`
			IssueID  *string `json:"issueId"`
			NewIssue bool    `json:"newIssue"`
		} `json:"results"`
		Counts   map[string]int `json:"counts"`
		Complete bool           `json:"complete"`
	}
	if _, err := c.call(ctx, http.MethodPost, "dead-letters/dry-run/", nil, body, &answer); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(out, answer)
	}
	err = table(out, "LETTER\tWOULD BE\tWHAT", func(w io.Writer) {
		for _, r := range answer.Results {
			what := r.Title
			switch {
			case r.Reason != "":
				what = r.Reason
			case r.NewIssue:
				what += " (a new issue)"
			case r.IssueID != nil:
				what += " (issue " + *r.IssueID + ")"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\n", r.ID, r.Verdict, oneLine(what))
		}
	})
	if err == nil {
		_, err = fmt.Fprintf(out, "\nwould be stored %d, filtered %d, fail again %d\n", answer.Counts["stored"], answer.Counts["filtered"], answer.Counts["failed"])
	}
	if err == nil && !answer.Complete {
		_, err = fmt.Fprintln(out, "These are the oldest; there are more.")
	}
	return err
}

// DLQReplay replays.
type DLQReplay struct {
	Remote
	selection
}

// Run implements the command.
func (c *DLQReplay) Run(ctx context.Context, out io.Writer) error {
	body, err := c.body("")
	if err != nil {
		return err
	}
	return c.follow(ctx, out, "replay", body)
}

// DLQDiscard discards.
type DLQDiscard struct {
	Remote
	selection
	Reason string `required:"" help:"Why; it stays in the record of runs."`
}

// Run implements the command.
func (c *DLQDiscard) Run(ctx context.Context, out io.Writer) error {
	body, err := c.body(c.Reason)
	if err != nil {
		return err
	}
	return c.follow(ctx, out, "discard", body)
}

type letterRun struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	State     string    `json:"state"`
	Actor     string    `json:"actor"`
	Reason    string    `json:"reason"`
	Total     int       `json:"total"`
	Done      int       `json:"done"`
	Failed    int       `json:"failed"`
	LastError *string   `json:"lastError"`
	CreatedAt time.Time `json:"dateCreated"`
}

// follow starts a run and prints its progress until it ends. Leaving does not end it.
func (r *Remote) follow(ctx context.Context, out io.Writer, kind string, body any) error {
	var run letterRun
	if _, err := r.call(ctx, http.MethodPost, "dead-letters/"+kind+"/", nil, body, &run); err != nil {
		return err
	}
	for run.State == "running" {
		fmt.Fprintf(out, "run %s: %d of %d\n", run.ID, run.Done+run.Failed, run.Total)
		select {
		case <-ctx.Done():
			return fmt.Errorf("the run %s goes on; tocsin dlq runs shows it", run.ID)
		case <-time.After(time.Second):
		}
		if _, err := r.call(ctx, http.MethodGet, "dead-letters/runs/"+run.ID+"/", nil, nil, &run); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "%s %s: %d done, %d failed\n", kind, run.State, run.Done, run.Failed)
	if run.Failed > 0 && run.LastError != nil {
		return fmt.Errorf("%d of %d failed, the last one because %s", run.Failed, run.Total, *run.LastError)
	}
	return nil
}

// DLQRuns lists runs.
type DLQRuns struct {
	Remote
	JSON bool `name:"json" help:"Print JSON."`
}

// Run implements the command.
func (c *DLQRuns) Run(ctx context.Context, out io.Writer) error {
	var runs []letterRun
	if _, err := c.call(ctx, http.MethodGet, "dead-letters/runs/", nil, nil, &runs); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(out, runs)
	}
	return table(out, "RUN\tKIND\tSTATE\tDONE\tFAILED\tTOTAL\tBEGUN\tBY\tREASON", func(w io.Writer) {
		for _, r := range runs {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\t%s\n", r.ID, r.Kind, r.State, r.Done, r.Failed, r.Total, r.CreatedAt.Format(time.DateTime), r.Actor, r.Reason)
		}
	})
}

// QueueCmd groups the commands about queues.
type QueueCmd struct {
	List   QueueList   `cmd:"" help:"List the queues: what waits, for how long, and what is paused."`
	Pause  QueuePause  `cmd:"" help:"Stop the consumers of a queue; messages keep coming in and wait."`
	Resume QueueResume `cmd:"" help:"End a pause."`
}

type queueState struct {
	Name       string  `json:"name"`
	Packs      int     `json:"packs"`
	Bytes      int64   `json:"bytes"`
	Waiting    int     `json:"waiting"`
	InHand     int     `json:"inHand"`
	AgeSeconds float64 `json:"oldestAgeSeconds"`
	Paused     *struct {
		Reason string     `json:"reason"`
		By     string     `json:"by"`
		Until  *time.Time `json:"until"`
	} `json:"paused"`
}

func writeQueues(out io.Writer, queues []queueState) error {
	return table(out, "QUEUE\tPACKS\tBYTES\tWAITING\tIN HAND\tOLDEST\tSTATE", func(w io.Writer) {
		for _, q := range queues {
			state := "running"
			if q.Paused != nil {
				state = "paused"
				if q.Paused.Until != nil {
					state += " until " + q.Paused.Until.Format(time.DateTime)
				}
				if q.Paused.Reason != "" {
					state += fmt.Sprintf(" by %s: %s", q.Paused.By, oneLine(q.Paused.Reason))
				}
			}
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s\t%s\n", q.Name, q.Packs, q.Bytes, q.Waiting, q.InHand,
				time.Duration(q.AgeSeconds*float64(time.Second)).Round(100*time.Millisecond), state)
		}
	})
}

// QueueList lists queues.
type QueueList struct {
	Remote
	JSON bool `name:"json" help:"Print JSON."`
}

// Run implements the command.
func (c *QueueList) Run(ctx context.Context, out io.Writer) error {
	var queues []queueState
	if _, err := c.call(ctx, http.MethodGet, "queues/", nil, nil, &queues); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(out, queues)
	}
	return writeQueues(out, queues)
}

// QueuePause pauses a queue.
type QueuePause struct {
	Remote
	Queue  string        `arg:"" help:"Name of the queue."`
	Reason string        `required:"" help:"Why; list and the pages show it."`
	For    time.Duration `help:"How long; until it is resumed when not given."`
}

// Run implements the command.
func (c *QueuePause) Run(ctx context.Context, out io.Writer) error {
	var queues []queueState
	body := map[string]any{"reason": c.Reason, "seconds": int64(c.For / time.Second)}
	if _, err := c.call(ctx, http.MethodPost, "queues/"+url.PathEscape(c.Queue)+"/pause/", nil, body, &queues); err != nil {
		return err
	}
	return writeQueues(out, queues)
}

// QueueResume resumes a queue.
type QueueResume struct {
	Remote
	Queue string `arg:"" help:"Name of the queue."`
}

// Run implements the command.
func (c *QueueResume) Run(ctx context.Context, out io.Writer) error {
	var queues []queueState
	if _, err := c.call(ctx, http.MethodPost, "queues/"+url.PathEscape(c.Queue)+"/resume/", nil, nil, &queues); err != nil {
		return err
	}
	return writeQueues(out, queues)
}

// table prints aligned columns.
func table(out io.Writer, head string, rows func(io.Writer)) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, head)
	rows(w)
	return w.Flush()
}

// oneLine keeps what others wrote from breaking the table or the terminal.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
	if len(s) > 160 {
		s = strings.ToValidUTF8(s[:160], "") + "…"
	}
	return s
}

package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// JobsCmd groups the commands about long work on what is stored.
type JobsCmd struct {
	List   JobsList   `cmd:"" help:"List the jobs of a project, newest first."`
	Start  JobsStart  `cmd:"" help:"Start a job; with --wait, follow it to its end."`
	Show   JobsShow   `cmd:"" help:"Print one job and how far it is."`
	Cancel JobsCancel `cmd:"" help:"Stop a job at its next chunk; what it did stays done."`
}

// jobsOf says whose jobs a command is about.
type jobsOf struct {
	Remote
	Project string `help:"The project, as ORGANIZATION/PROJECT; the one in bootstrap.json when empty."`
}

// path is the API's path of the project's jobs.
func (c *jobsOf) path() (string, error) {
	name := c.Project
	if name == "" {
		own, err := readCredentials(c.Data)
		if err != nil {
			return "", err
		}
		if own == nil {
			return "", fmt.Errorf("there is no bootstrap.json in %s; name the project with --project ORGANIZATION/PROJECT", c.Data)
		}
		name = own.Organization + "/" + own.Project
	}
	organization, project, found := strings.Cut(name, "/")
	if !found || organization == "" || project == "" || strings.Contains(project, "/") {
		return "", errors.New("--project is written as ORGANIZATION/PROJECT")
	}
	return "projects/" + url.PathEscape(organization) + "/" + url.PathEscape(project) + "/jobs/", nil
}

type jobLine struct {
	ID      string          `json:"id"`
	Kind    string          `json:"kind"`
	Status  string          `json:"status"`
	Done    int64           `json:"done"`
	Total   int64           `json:"total"`
	Result  json.RawMessage `json:"result"`
	Problem string          `json:"problem"`
	Started *time.Time      `json:"dateStarted"`
	Created time.Time       `json:"dateCreated"`
}

// progress is how far a job is, such as "1200 of 5000".
func (j *jobLine) progress() string {
	if j.Total > 0 {
		return fmt.Sprintf("%d of %d", j.Done, j.Total)
	}
	return fmt.Sprint(j.Done)
}

// outcome is what became of a job, or why it waits.
func (j *jobLine) outcome() string {
	if j.Problem != "" {
		return oneLine(j.Problem)
	}
	if text := string(j.Result); text != "null" {
		return oneLine(text)
	}
	return ""
}

// JobsList lists jobs.
type JobsList struct {
	jobsOf
	JSON bool `name:"json" help:"Print JSON."`
}

// Run implements the command.
func (c *JobsList) Run(ctx context.Context, out io.Writer) error {
	path, err := c.path()
	if err != nil {
		return err
	}
	var answer json.RawMessage
	if _, err := c.call(ctx, http.MethodGet, path, url.Values{"per_page": {"100"}}, nil, &answer); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(out, answer)
	}
	var list []jobLine
	if err := json.Unmarshal(answer, &list); err != nil {
		return err
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "The project has no jobs.")
		return err
	}
	return table(out, "JOB\tKIND\tSTATUS\tEVENTS\tCREATED\tRESULT", func(w io.Writer) {
		for _, j := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", j.ID, j.Kind, j.Status, j.progress(), j.Created.Format(time.DateTime), j.outcome())
		}
	})
}

// JobsStart starts a job.
type JobsStart struct {
	jobsOf
	Kind    string   `arg:"" enum:"symbolicate,regroup,export,erase" help:"symbolicate: rewrite the frames of stored events with what was uploaded since. regroup: group them by the rules in force. export: write them as lines of JSON. erase: remove all that is kept of one user."`
	Issues  []string `name:"issue" help:"Ids of the issues it is about; all of the project without any."`
	User    string   `help:"For export and erase, the user: id:…, email:…, username:… or ip:…."`
	Regroup bool     `help:"After symbolicate, group the events by their new frames."`
	Wait    bool     `help:"Follow the job; exit 1 unless it ends well."`
}

// jobPoll is how often a job that is followed is asked for.
const jobPoll = 500 * time.Millisecond

// Run implements the command.
func (c *JobsStart) Run(ctx context.Context, out io.Writer) error {
	path, err := c.path()
	if err != nil {
		return err
	}
	var j jobLine
	body := map[string]any{"kind": c.Kind, "issues": append([]string{}, c.Issues...), "user": c.User, "regroup": c.Regroup}
	if _, err := c.call(ctx, http.MethodPost, path, nil, body, &j); err != nil {
		return err
	}
	fmt.Fprintf(out, "Job %s (%s) is started.\n", j.ID, j.Kind)
	for last := ""; c.Wait; {
		if _, err := c.call(ctx, http.MethodGet, path+j.ID+"/", nil, nil, &j); err != nil {
			return err
		}
		if now := j.Status + ", events: " + j.progress(); now != last {
			fmt.Fprintln(out, now)
			last = now
		}
		switch j.Status {
		case "done":
			_, err := fmt.Fprintln(out, j.outcome())
			return err
		case "failed", "cancelled":
			return fmt.Errorf("the job is %s: %s", j.Status, j.outcome())
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the job goes on; see tocsin jobs show %s", j.ID)
		case <-time.After(jobPoll):
		}
	}
	return nil
}

// JobsShow prints one job.
type JobsShow struct {
	jobsOf
	ID string `arg:"" help:"Id of the job, as list prints it."`
}

// Run implements the command.
func (c *JobsShow) Run(ctx context.Context, out io.Writer) error {
	return c.about(ctx, out, http.MethodGet, c.ID, "")
}

// JobsCancel stops a job.
type JobsCancel struct {
	jobsOf
	ID string `arg:"" help:"Id of the job, as list prints it."`
}

// Run implements the command.
func (c *JobsCancel) Run(ctx context.Context, out io.Writer) error {
	return c.about(ctx, out, http.MethodPost, c.ID, "cancel/")
}

func (c *jobsOf) about(ctx context.Context, out io.Writer, method, id, action string) error {
	path, err := c.path()
	if err != nil {
		return err
	}
	var answer map[string]any
	if _, err := c.call(ctx, method, path+url.PathEscape(id)+"/"+action, nil, nil, &answer); err != nil {
		return err
	}
	return writeJSON(out, answer)
}

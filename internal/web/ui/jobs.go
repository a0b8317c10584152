package ui

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/job"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/web/audit"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// jobsPerPage is how many jobs a page lists.
const jobsPerPage = 30

// jobWords name the kinds of jobs.
var jobWords = map[job.Kind]string{
	job.Delete: "Delete issues", job.Merge: "Merge issues", job.Unmerge: "Take an issue apart", job.Regroup: "Group stored events anew",
	job.Export: "Export events", job.Erase: "Erase a user", job.Symbolicate: "Resolve stored events",
	job.Update: "Change issues",
}

// jobs lists the work on a project that outgrows one request, newest first.
func (u *UI) jobs(v *visit) error {
	p, err := u.projectOf(v, account.EventRead)
	if err != nil {
		return err
	}
	return u.drawJobs(v, p, http.StatusOK, "")
}

func (u *UI) drawJobs(v *visit, p project.Project, status int, problem string) error {
	page := view.JobsPage{SettingsHead: u.projectHead(v, p, "jobs"), Problem: problem, MayStart: v.principal.Scopes.Has(account.EventAdmin)}
	if err := u.listJobs(v, &page, []project.Project{p}, page.Action); err != nil {
		return err
	}
	return v.projectSettings(status, &page.SettingsHead, "Jobs", func(pg view.Page) component { return view.Jobs(pg, page) })
}

// orgJobs lists such work on all projects that the reader sees.
func (u *UI) orgJobs(v *visit) error {
	if err := v.principal.Require(account.EventRead); err != nil {
		return err
	}
	projects, err := u.Store.Projects(v.r.Context(), v.principal.Organization.ID)
	if err != nil {
		return err
	}
	page := view.JobsPage{MayStart: v.principal.Scopes.Has(account.EventAdmin)}
	if err := u.listJobs(v, &page, projects, v.orgPath("/settings/jobs")); err != nil {
		return err
	}
	for i := range page.Jobs {
		j := &page.Jobs[i]
		j.Project = strings.TrimSuffix(strings.TrimPrefix(j.Form, v.orgPath("/projects/")), "/jobs")
	}
	return v.settingsPage(http.StatusOK, "Jobs", func(p view.Page) component { return view.OrgJobs(p, page) })
}

// listJobs fills a page, which is at an address, with the jobs of projects.
func (u *UI) listJobs(v *visit, page *view.JobsPage, projects []project.Project, at string) error {
	before, err := strconv.ParseInt("0"+v.r.URL.Query().Get("before"), 10, 64)
	if err != nil {
		before = 0
	}
	ids, slugs := make([]int64, len(projects)), make(map[int64]string, len(projects))
	for i, p := range projects {
		ids[i], slugs[p.ID] = p.ID, p.Slug
	}
	list, err := u.Store.Jobs(v.r.Context(), ids, before, jobsPerPage+1)
	if err != nil {
		return err
	}
	people, err := u.Store.Members(v.r.Context(), v.principal.Organization.ID)
	if err != nil {
		return err
	}
	page.Here = at
	if len(list) > jobsPerPage {
		list = list[:jobsPerPage]
		page.Older = at + "?before=" + strconv.FormatInt(list[jobsPerPage-1].ID, 10)
	}
	if before != 0 {
		page.Newer, page.Here = at, at+"?before="+strconv.FormatInt(before, 10)
	}
	for i := range list {
		slug := slugs[list[i].Project]
		line := jobLine(&list[i], people, v.principal.Organization.Slug, slug)
		line.Form = v.orgPath("/projects/" + slug + "/jobs")
		page.Going = page.Going || line.Going
		page.Jobs = append(page.Jobs, line)
	}
	return u.offerUndo(v, page, list, ids)
}

// offerUndo lets readers take back what updates of theirs did, as long as something is left of that.
func (u *UI) offerUndo(v *visit, page *view.JobsPage, list []job.Job, projects []int64) error {
	of, changes := make([]int64, len(list)), []int64(nil)
	for i := range list {
		if list[i].Status.Over() && list[i].CreatedBy == v.principal.UserID() {
			of[i] = changeOf(list[i].Result)
		}
		if of[i] != 0 {
			changes = append(changes, of[i])
		}
	}
	if len(changes) == 0 || v.principal.Require(account.EventWrite) != nil {
		return nil
	}
	left, err := u.Store.Undoable(v.r.Context(), projects, changes, v.principal.UserID())
	for i := range of {
		if of[i] != 0 && slices.Contains(left, of[i]) {
			page.Jobs[i].Undo = &view.Undo{Action: v.orgPath("/issues"), ID: strconv.FormatInt(of[i], 10), Back: page.Here}
		}
	}
	return err
}

// changeOf is the change to issues that an update made; 0 when it made none, or is no update.
func changeOf(result json.RawMessage) int64 {
	var r struct {
		Undo int64 `json:"undo,string"`
	}
	if len(result) == 0 || json.Unmarshal(result, &r) != nil {
		return 0
	}
	return r.Undo
}

// jobLine is a job as its page shows it.
func jobLine(j *job.Job, people members, org, slug string) view.JobLine {
	l := view.JobLine{ID: strconv.FormatInt(j.ID, 10), Name: jobWords[j.Kind], State: j.Status.String(), Done: j.Done, Total: j.Total, Going: !j.Status.Over(),
		Problem: j.Problem, At: j.CreatedAt, Who: "Tocsin"}
	if l.Name == "" {
		l.Name = string(j.Kind)
	}
	l.Cancellable = l.Going && j.Kind.Cancellable() && !j.Cancel
	if l.Going && j.Cancel {
		l.State = "stopping"
	}
	if j.CreatedBy != 0 {
		l.Who = people.name("user:" + strconv.FormatInt(j.CreatedBy, 10))
	}
	if j.FinishedAt != nil {
		l.FinishedAt = *j.FinishedAt
	}
	switch n := len(j.Args.Issues); {
	case j.Args.Update != nil:
		l.Name, l.About = changeName(&j.Args.Update.Action), cmp.Or(j.Args.Update.Query, "all issues")
	case j.Args.User != "":
		l.About = j.Args.User
	case n == 1:
		l.About = "1 issue"
	case n > 1:
		l.About = view.Long(int64(n)) + " issues"
	default:
		l.About = "the whole project"
	}
	if j.Args.Discard {
		l.About += ", and events like theirs from now on"
	}
	if j.Kind == job.Export && j.Status == job.Done {
		l.Download = "/api/v1/projects/" + org + "/" + slug + "/jobs/" + l.ID + "/download/"
	}
	l.Result = resultWords(j.Result)
	return l
}

// changeName says what an update does to issues.
func changeName(a *issue.Action) string {
	switch {
	case a.Status != nil:
		return map[issue.Status]string{issue.Resolved: "Resolve issues", issue.Archived: "Mute issues", issue.Unresolved: "Reopen issues"}[*a.Status]
	case a.Priority != nil:
		return "Set the priority of issues"
	case a.Assignee != nil && *a.Assignee == "":
		return "Unassign issues"
	case a.Assignee != nil:
		return "Assign issues"
	}
	return jobWords[job.Update]
}

// resultWords are what came of a job: "events 12, issues 3".
func resultWords(raw json.RawMessage) string {
	var parts map[string]any
	if len(raw) == 0 || json.Unmarshal(raw, &parts) != nil {
		return ""
	}
	list := make([]string, 0, len(parts))
	for name, value := range parts {
		if n, isNumber := value.(float64); isNumber {
			list = append(list, name+" "+view.Long(int64(n)))
		}
	}
	sort.Strings(list)
	return strings.Join(list, ", ")
}

// changeJobs starts a job, or asks one to stop.
func (u *UI) changeJobs(v *visit) error {
	if err := v.parseForm(); err != nil {
		return err
	}
	p, err := u.projectOf(v, account.EventAdmin)
	if err != nil {
		return err
	}
	form := v.r.PostForm
	if form.Has("cancel") {
		return u.cancelJob(v, p)
	}
	kind, args := job.Kind(form.Get("start")), job.Args{}
	if value := strings.TrimSpace(form.Get("value")); value != "" {
		args.User = form.Get("field") + ":" + value
	}
	if kind == job.Erase && form.Get("confirm") != "erase" {
		return u.drawJobs(v, p, http.StatusBadRequest, "Type erase to confirm: all that is kept of the user goes, and cannot be brought back.")
	}
	j, err := u.Store.StartJob(v.r.Context(), p.ID, kind, args, v.principal.UserID())
	if text, status, ok := turnedDown(err); ok && err != nil {
		return u.drawJobs(v, p, status, text)
	}
	if err != nil {
		return err
	}
	v.note = audit.Note{Event: "job.create", Target: p.Slug, Data: map[string]any{"kind": string(kind), "job": strconv.FormatInt(j.ID, 10)}}
	v.notify(view.Notice{Text: "Started: " + strings.ToLower(jobWords[kind]) + "."})
	return v.redirect(v.orgPath("/projects/" + p.Slug + "/jobs"))
}

func (u *UI) cancelJob(v *visit, p project.Project) error {
	id, err := v.formInt("cancel")
	if err != nil {
		return err
	}
	said := view.Notice{Text: "The job stops after the chunk in hand."}
	if _, err := u.Store.CancelJob(v.r.Context(), p.ID, id); err != nil {
		text, _, ok := turnedDown(err)
		if !ok || fault.KindOf(err) == fault.Unknown {
			return err
		}
		said = view.Notice{Text: text, Bad: true}
	}
	v.note = audit.Note{Event: "job.cancel", Target: p.Slug}
	v.notify(said)
	return v.redirect(v.orgPath("/projects/" + p.Slug + "/jobs"))
}

// jobNotice tells that a change goes on as a job, with the way to its page.
func (v *visit) jobNotice(text string, row *postgres.IssueRow) view.Notice {
	return view.Notice{Text: text, More: &view.Link{Label: "Progress", Href: v.orgPath("/projects/" + row.ProjectSlug + "/jobs")}}
}

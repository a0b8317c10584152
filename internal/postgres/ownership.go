package postgres

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/ownership"
	"github.com/tocsin-dev/tocsin/internal/release"
)

const sqlOwnership = `
	select raw, codeowners, actors, fallthrough, auto_assignment, created_at, updated_at from ownership where project_id = @project`

// noOwnership is what a project has that no rules were written for.
var noOwnership = ownership.Settings{Fallthrough: true, AutoAssignment: ownership.AssignOwner}

// Ownership returns a project's ownership rules; what a project has that none were written for is
// the zero value with its defaults.
func (st *Store) Ownership(ctx context.Context, project int64) (ownership.Settings, error) {
	s := noOwnership
	err := st.db.QueryRow(ctx, sqlOwnership, pgx.StrictNamedArgs{"project": project}).
		Scan(&s.Raw, &s.CodeOwners, &s.Actors, &s.Fallthrough, &s.AutoAssignment, &s.CreatedAt, &s.UpdatedAt)
	if err = translate(err, "read the ownership of project %d", project); fault.KindOf(err) == fault.Unknown {
		err = nil
	}
	return s, err
}

const sqlPutOwnership = `
	insert into ownership as o (project_id, raw, codeowners, actors, fallthrough, auto_assignment)
	values (@project, @raw, @codeowners, @actors, @fallthrough, @assignment)
	on conflict (project_id) do update set raw = excluded.raw, codeowners = excluded.codeowners, actors = excluded.actors,
		fallthrough = excluded.fallthrough, auto_assignment = excluded.auto_assignment, updated_at = now()
	returning created_at, updated_at`

// PutOwnership stores a project's ownership rules and finds out whom they name. missing lists the
// names of a CODEOWNERS file that are nobody here; those rules own nothing. fault.Invalid: the rules
// cannot be read, or the written ones name nobody of the organization.
func (st *Store) PutOwnership(ctx context.Context, org, project int64, s *ownership.Settings) (missing []string, err error) {
	raw, err := ownership.Parse(s.Raw)
	if err != nil {
		return nil, err
	}
	file, err := ownership.ParseCodeOwners(s.CodeOwners)
	if err != nil {
		return nil, err
	}
	find, err := st.ownerFinder(ctx, org)
	if err != nil {
		return nil, err
	}
	s.Actors = map[string]string{}
	var strangers []string
	for _, name := range raw.Owners() {
		if s.Actors[name] = find(name); s.Actors[name] == "" {
			strangers = append(strangers, name)
		}
	}
	if len(strangers) > 0 {
		return nil, fault.New(fault.Invalid, "Invalid rule owners: %s", strings.Join(strangers, ", "))
	}
	for _, name := range file.Owners() {
		if actor := find(name); actor != "" {
			s.Actors[name] = actor
		} else {
			missing = append(missing, name)
		}
	}
	err = st.db.QueryRow(ctx, sqlPutOwnership, pgx.StrictNamedArgs{"project": project, "raw": s.Raw, "codeowners": s.CodeOwners, "actors": s.Actors,
		"fallthrough": s.Fallthrough, "assignment": s.AutoAssignment}).Scan(&s.CreatedAt, &s.UpdatedAt)
	return missing, translate(err, "store the ownership of project %d", project)
}

// ownerFinder finds who is meant by the name of an owner: a member by e-mail address, or by the
// name before its @ or of the member; a team by its slug; empty: nobody.
func (st *Store) ownerFinder(ctx context.Context, org int64) (func(name string) string, error) {
	members, err := st.Members(ctx, org)
	if err != nil {
		return nil, err
	}
	teams, err := st.Teams(ctx, org, 0)
	if err != nil {
		return nil, err
	}
	byName := make(map[string]string, 3*len(members))
	for _, t := range teams { // "@organization/team" of a CODEOWNERS file means its team
		byName["#"+t.Slug] = "team:" + strconv.FormatInt(t.ID, 10)
	}
	for i := len(members) - 1; i >= 0; i-- { // the first of a name wins
		actor, email := "user:"+strconv.FormatInt(members[i].ID, 10), strings.ToLower(members[i].Email)
		local, _, _ := strings.Cut(email, "@")
		byName["@"+local] = actor
		if name := strings.ToLower(members[i].Name); name != "" {
			byName["@"+name] = actor
		}
		byName[email] = actor
	}
	return func(name string) string {
		name = strings.ToLower(name)
		if _, team, isTeam := strings.Cut(name, "/"); isTeam && strings.HasPrefix(name, "@") {
			name = "#" + team
		}
		return byName[name]
	}, nil
}

// owners are a project's rules, ready to be matched.
type owners struct {
	ownership.Settings
	raw, file ownership.Rules
}

// ownerCache keeps parsed rules by project until they are changed. The zero value is ready.
type ownerCache struct {
	mu   sync.Mutex
	held map[int64]*owners
}

// maxOwnerCache is how many projects' rules are kept.
const maxOwnerCache = 1000

// of returns the parsed rules, which are the held ones unless they were changed since.
func (c *ownerCache) of(project int64, s ownership.Settings) *owners {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := c.held[project]; o != nil && o.UpdatedAt.Equal(s.UpdatedAt) {
		return o
	}
	o := &owners{Settings: s}
	o.raw, _ = ownership.Parse(s.Raw) // it was checked when it was stored
	o.file, _ = ownership.ParseCodeOwners(s.CodeOwners)
	if c.held == nil || len(c.held) >= maxOwnerCache {
		c.held = map[int64]*owners{}
	}
	c.held[project] = o
	return o
}

const sqlOwnershipOf = `
	select project_id, raw, codeowners, actors, auto_assignment, updated_at from ownership where project_id = any(@projects::bigint[])`

// queueOwnership reads the rules of the projects that get new issues.
func (r *recording) queueOwnership(b *pgx.Batch, st *Store) {
	made := map[int64]bool{}
	for _, s := range r.issues {
		if s.isNew {
			made[s.Project] = true
		}
	}
	if len(made) == 0 {
		return
	}
	r.owners = make(map[int64]*owners, len(made))
	b.Queue(sqlOwnershipOf, pgx.StrictNamedArgs{"projects": slices.Collect(maps.Keys(made))}).Query(func(rows pgx.Rows) error {
		var project int64
		var s ownership.Settings
		_, err := pgx.ForEachRow(rows, []any{&project, &s.Raw, &s.CodeOwners, &s.Actors, &s.AutoAssignment, &s.UpdatedAt}, func() error {
			r.owners[project] = st.owners.of(project, s)
			s = ownership.Settings{}
			return nil
		})
		return err
	})
}

// assignOwner finds whom the rules name for a new issue, and assigns it when the project wants that.
func (r *recording) assignOwner(s *sighted, rec *Record) (acts []issue.Activity) {
	o := r.owners[s.Project]
	if o == nil {
		return nil
	}
	ev, err := event.Decode(rec.Payload) // few events make an issue: keeping all of them decoded costs more
	if err != nil {
		return nil
	}
	actors, integration, rule := o.Owner(o.raw, o.file, ownership.FactsOf(ev))
	if s.owners = actors; len(actors) > 0 && o.AutoAssignment == ownership.AssignOwner {
		s.state, acts = s.state.AssignBy(actors[0], integration, rule)
	}
	return acts
}

const sqlUnassignedSince = `
	select i.id, i.project_id, p.organization_id, i.first_release
	from ownership o join projects p on p.id = o.project_id join issues i on i.project_id = o.project_id
	where o.auto_assignment = @suspect and i.status = @unresolved and i.first_seen >= @since and i.assignee is null and i.first_release is not null
	order by i.first_seen desc limit 200`

// suspectSince is for how long after its first sighting an issue waits for its commits to be told.
const suspectSince = 24 * time.Hour

// AssignSuspects assigns young issues to the members who wrote their suspect commits, in projects
// that want it. It returns how many it assigned.
func (st *Store) AssignSuspects(ctx context.Context, now time.Time) (assigned int, err error) {
	type candidate struct {
		ID, ProjectID, OrganizationID int64
		FirstRelease                  string
	}
	rows, _ := st.db.Query(ctx, sqlUnassignedSince, pgx.StrictNamedArgs{"suspect": ownership.AssignSuspect, "unresolved": int16(issue.Unresolved), "since": now.Add(-suspectSince)})
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[candidate])
	if err != nil {
		return 0, translate(err, "find issues to assign")
	}
	for _, c := range list {
		suspects, err := st.IssueSuspects(ctx, c.OrganizationID, c.ProjectID, c.ID, c.FirstRelease)
		if err != nil || len(suspects) == 0 {
			if err != nil && fault.KindOf(err) != fault.Unknown {
				return assigned, err
			}
			continue
		}
		find, err := st.ownerFinder(ctx, c.OrganizationID)
		if err != nil {
			return assigned, err
		}
		actor := find(suspects[0].Commit.AuthorEmail)
		if actor == "" {
			continue
		}
		if _, err := st.ChangeIssues(ctx, c.OrganizationID, []int64{c.ID}, issue.Action{Assignee: &actor}, 0); err != nil {
			return assigned, err
		}
		assigned++
	}
	return assigned, nil
}

// IssueSuspects lists the commits that may have caused an issue, by the stack of its recommended
// event.
func (st *Store) IssueSuspects(ctx context.Context, org, project, issueID int64, firstRelease string) ([]release.Suspect, error) {
	if firstRelease == "" {
		return nil, nil
	}
	e, err := st.IssueEvent(ctx, project, issueID, EventSelector{Which: EventRecommended})
	if err != nil {
		return nil, err
	}
	return st.SuspectCommits(ctx, org, project, firstRelease, SuspectFrames(e.Event))
}

// SuspectFrames are the frames of an event that commits are matched with, the failing one first.
func SuspectFrames(e *event.Event) (frames []release.Frame) {
	for _, f := range e.FailingFrames() {
		p := f.Filename
		if p == "" {
			p = f.AbsPath
		}
		frames = append(frames, release.Frame{Path: p, InApp: f.InApp != nil && *f.InApp})
	}
	return frames
}

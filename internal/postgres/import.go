package postgres

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/project"
)

const (
	sqlInsertNumberedProject = `
	insert into projects (id, organization_id, slug, name, platform)
	select @id, @org, @slug, @name, @platform where not exists (select from projects where id = @id)
	on conflict do nothing returning id`

	sqlProjectBySlug = `select id from projects where organization_id = @org and slug = @slug and deleted_at is null`
)

// ImportProject makes a project with the number it had elsewhere, without a key; another number
// when that one is taken or 0. The organization's project of this slug, when there is one, is
// returned as it is.
func (st *Store) ImportProject(ctx context.Context, org, number int64, slug, name, platform string) (project.Project, error) {
	if !validSlug.MatchString(slug) || len(slug) > 100 {
		return project.Project{}, fault.New(fault.Invalid, "a slug has 1 to 100 of a-z, 0-9, _ and -, and is not a number")
	}
	err := st.configure(ctx, func(tx pgx.Tx) error {
		var id int64
		err := tx.QueryRow(ctx, sqlProjectBySlug, pgx.StrictNamedArgs{"org": org, "slug": slug}).Scan(&id)
		if err == nil || kindOf(err) != fault.Unknown {
			return err
		}
		args := pgx.StrictNamedArgs{"org": org, "slug": slug, "name": clean(name, 200), "platform": clean(platform, 64)}
		if number > 0 {
			args["id"] = number
			if err = tx.QueryRow(ctx, sqlInsertNumberedProject, args).Scan(&id); err == nil || kindOf(err) != fault.Unknown {
				return err
			}
			delete(args, "id")
		}
		if err := tx.QueryRow(ctx, sqlInsertProject, args).Scan(&id); err != nil {
			return err
		}
		return nil
	})
	if err != nil {
		return project.Project{}, translate(err, "import project %q", slug)
	}
	return st.Project(ctx, org, slug)
}

var publicKeyForm = regexp.MustCompile(`^[0-9a-f]{32}$`)

const sqlImportKey = `
	insert into client_keys (id, project_id, public_key, secret_key, label, is_active)
	values (@id, @project, @public, @secret, @label, @active) on conflict (public_key) do nothing`

const sqlKeyOwner = `select project_id from client_keys where public_key = @public`

// ImportKey gives a project a client key that was made elsewhere, so that DSNs with it go on
// working; one that it has stays as it is. fault.Conflict: another project has it. fault.Invalid:
// it is not 32 hexadecimal digits.
func (st *Store) ImportKey(ctx context.Context, p int64, public, secret, label string, active bool) error {
	public = strings.ToLower(public)
	if !publicKeyForm.MatchString(public) {
		return fault.New(fault.Invalid, "a client key has 32 hexadecimal digits")
	}
	if !publicKeyForm.MatchString(secret) {
		secret = randomHex(16)
	}
	if label = clean(label, maxKeyLabel); strings.TrimSpace(label) == "" {
		label = "Imported"
	}
	return st.configure(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sqlImportKey, pgx.StrictNamedArgs{"id": NewID(), "project": p, "public": public, "secret": secret, "label": label, "active": active})
		if err != nil || tag.RowsAffected() == 1 {
			return translate(err, "import a key")
		}
		var owner int64
		if err := tx.QueryRow(ctx, sqlKeyOwner, pgx.StrictNamedArgs{"public": public}).Scan(&owner); err != nil {
			return translate(err, "import a key")
		}
		if owner != p {
			return fault.New(fault.Conflict, "another project has the key %s…", public[:8])
		}
		return nil
	})
}

// IssuePast is what an issue was elsewhere.
type IssuePast struct {
	Status              issue.Status
	FirstSeen, LastSeen time.Time
	Count, Users        int64
	Assignee            string // "user:7"; empty: nobody
}

const sqlImportIssue = `
	update issues set times_seen = greatest(times_seen, @count), user_count = greatest(user_count, @users),
		first_seen = least(first_seen, @first), last_seen = case when times_seen > 1 then greatest(last_seen, @last) else @last end,
		status = @status, substatus = @substatus, status_at = @last, assignee = coalesce(nullif(@assignee::text, ''), assignee), version = version + 1
	where project_id = @project and id = @issue returning id`

// ImportIssue gives the issue that an event of the project belongs to its past, and returns its id.
// Doing it twice changes nothing more. fault.Unknown: the event is not stored, or not yet.
func (st *Store) ImportIssue(ctx context.Context, org, p int64, ev event.ID, past IssuePast) (id int64, err error) {
	of, id, err := st.FindEvent(ctx, org, ev)
	if err != nil {
		return 0, err
	}
	if of != p {
		return 0, errNoResource()
	}
	if past.FirstSeen.IsZero() || past.FirstSeen.After(time.Now()) {
		past.FirstSeen = time.Now()
	}
	if past.LastSeen.Before(past.FirstSeen) || past.LastSeen.After(time.Now()) {
		past.LastSeen = past.FirstSeen
	}
	substatus := issue.Ongoing
	switch past.Status {
	case issue.Resolved:
		substatus = issue.None
	case issue.Archived:
		substatus = issue.Forever
	}
	err = st.db.QueryRow(ctx, sqlImportIssue, pgx.StrictNamedArgs{"project": p, "issue": id, "count": past.Count, "users": past.Users, "first": past.FirstSeen,
		"last": past.LastSeen, "status": past.Status, "substatus": substatus, "assignee": past.Assignee}).Scan(&id)
	return id, translate(err, "import an issue of project %d", p)
}

package ui

import (
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/release"
	"github.com/tocsin-dev/tocsin/internal/web/audit"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// changeRelease answers the forms of a release's pages: it is finalized, archived, restored or
// deleted in every project that has it.
func (u *UI) changeRelease(v *visit) error {
	if err := v.principal.Require(account.ProjectReleases); err != nil {
		return err
	}
	if err := v.parseForm(); err != nil {
		return err
	}
	s, err := u.findRelease(v, "")
	if err != nil {
		return err
	}
	do, back := v.r.PostFormValue("do"), localOr(v.r.PostFormValue("back"), s.Href)
	v.note = audit.Note{Event: "release." + do, Target: s.Version}
	var change postgres.ReleaseChange
	var done string
	switch now := time.Now().UTC(); do {
	case "finalize":
		change.ReleasedAt, done = &now, "Finalized "+s.Short+"."
	case "archive":
		change.Status, done = ptr(release.Archived), "Archived "+s.Short+": lists leave it out."
	case "restore":
		change.Status, done = ptr(release.Open), "Restored "+s.Short+"."
	case "delete":
		return u.deleteRelease(v, s, back)
	default:
		return fault.New(fault.Invalid, "The form asks for nothing that can be done.")
	}
	if _, err := u.Store.PutRelease(v.r.Context(), v.principal.Organization.ID, nil, s.Version, change, v.principal.UserID()); err != nil {
		return err
	}
	v.notify(view.Notice{Text: done})
	return v.redirect(back)
}

func (u *UI) deleteRelease(v *visit, s *shownRelease, back string) error {
	err := u.Store.DeleteRelease(v.r.Context(), v.principal.Organization.ID, s.Version)
	if text, _, ok := turnedDown(err); ok && err != nil {
		v.note.Event = "-" // nothing was changed
		v.notify(view.Notice{Text: text, Bad: true})
		return v.redirect(back)
	}
	if err != nil {
		return err
	}
	v.notify(view.Notice{Text: "Deleted the release " + s.Short + "."})
	return v.redirect(v.orgPath("/releases"))
}

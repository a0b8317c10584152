package ui

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/artifact"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// releaseArtifacts lists what was uploaded for a release, and says of a frame or an event why its
// map failed.
func (u *UI) releaseArtifacts(v *visit) error {
	s, err := u.findRelease(v, "artifacts")
	if err != nil {
		return err
	}
	uploads := v.orgPath("/projects/" + s.project.Slug + "/artifacts")
	page := view.ReleaseArtifactsPage{ReleaseHead: s.ReleaseHead, Query: strings.TrimSpace(v.r.URL.Query().Get("query")), UploadsHref: uploads,
		Upload: "sentry-cli sourcemaps upload --org " + shellWord(v.principal.Organization.Slug) + " --project " + shellWord(s.project.Slug) + " --release " + shellWord(s.Version) + " ./dist"}
	query := page.Query
	if id, isID := artifact.ParseDebugID(query); isID {
		query = id
	}
	skip := skipped(v)
	list, err := u.Store.ReleaseArtifacts(v.r.Context(), s.project.ID, s.Version, query, skip, filesPerPage+1)
	if err != nil {
		return err
	}
	page.Newer, page.Older = around(v, skip, len(list) > filesPerPage)
	for i := range list[:min(len(list), filesPerPage)] {
		f := &list[i]
		line := view.ReleaseFile{ArtifactLine: view.ArtifactLine{URL: f.URL, DebugID: f.DebugID, Sourcemap: f.Sourcemap, Kind: fileKinds[f.Type], Size: f.Size}, Dist: f.Dist}
		if f.Path != "" { // within a bundle
			line.BundleHref = uploads + "/" + strconv.FormatInt(f.Bundle, 10)
		}
		page.Files = append(page.Files, line)
	}
	if page.Check, err = u.checkedIn(v, s); err != nil {
		return err
	}
	return v.render(http.StatusOK, "Artifacts of "+s.Short, func(p view.Page) component { return view.ReleaseArtifacts(p, page) })
}

// checkedIn answers what the address asks about a frame of a release, or about an event.
func (u *UI) checkedIn(v *visit, s *shownRelease) (c view.ReleaseCheck, err error) {
	asked := v.r.URL.Query().Get("frame")
	id, err := event.ParseID(strings.TrimSpace(asked))
	if err != nil {
		c.FrameCheck, err = u.checked(v, s.project, s.Version)
		return c, err
	}
	c.Frame = asked
	if err := v.principal.Require(account.EventRead); err != nil {
		return c, err
	}
	ctx, org := v.r.Context(), v.principal.Organization.ID
	in, issueID, err := u.Store.FindEvent(ctx, org, id)
	if err == nil && in != s.project.ID {
		err = fault.New(fault.Unknown, "")
	}
	if fault.KindOf(err) == fault.Unknown && err != nil {
		c.Problem = "The project has no event of this id. A very new one may need a few seconds; an old one may have been removed."
		return c, nil
	}
	if err != nil {
		return c, err
	}
	found, err := u.Store.ChosenEvent(ctx, in, issueID, postgres.EventSelector{Which: postgres.EventByID, ID: id})
	if err != nil {
		return c, err
	}
	c.EventHref, c.EventRelease = v.orgPath("/e/"+id.String()), found.Event.Release
	c.Frames, c.Good, err = u.diagnosed(v, s.project.Slug, found.Event)
	return c, err
}

// diagnosed says of every frame of an event why it is as it is, the failing one first, and how many
// are resolved.
func (u *UI) diagnosed(v *visit, slug string, e *event.Event) (frames []view.Diagnosis, good int, err error) {
	u.Symbols.Refresh(v.r.Context(), e)
	list, err := u.Symbols.Diagnose(v.r.Context(), e, artifact.Place{Organization: v.principal.Organization.Slug, Project: slug})
	for i := range slices.Backward(list) {
		d := diagnosis(&list[i])
		if d.Good {
			good++
		}
		frames = append(frames, d)
	}
	return frames, good, err
}

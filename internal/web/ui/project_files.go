package ui

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/artifact"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/symbol"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// filesPerPage is how many uploads a page lists.
const filesPerPage = 50

// skipped is how many rows the address says were on pages before, and the addresses of the pages
// around this one. More tells that there is a page after it.
func skipped(v *visit) int {
	n, err := strconv.Atoi(v.r.URL.Query().Get("skip"))
	if err != nil || n < 0 || n > 1_000_000 {
		return 0
	}
	return n
}

func around(v *visit, skip int, more bool) (newer, older string) {
	at := func(n int) string {
		q := v.r.URL.Query()
		q.Set("skip", strconv.Itoa(n))
		if n == 0 {
			q.Del("skip")
		}
		return v.r.URL.EscapedPath() + "?" + q.Encode()
	}
	if skip > 0 {
		newer = at(max(0, skip-filesPerPage))
	}
	if more {
		older = at(skip + filesPerPage)
	}
	return newer, older
}

// artifacts lists what was uploaded to make JavaScript readable, and answers which map a frame
// would be resolved by.
func (u *UI) artifacts(v *visit) error {
	p, err := u.projectOf(v, account.ProjectRead)
	if err != nil {
		return err
	}
	q := v.r.URL.Query()
	page := view.ArtifactsPage{SettingsHead: u.projectHead(v, p, "artifacts"), Query: q.Get("query"), Upload: strings.NewReplacer("{URL}", u.BaseURL, "{ORG}", v.principal.Organization.Slug, "{PROJECT}", p.Slug).Replace(cliMaps)}
	page.MayDelete = v.principal.Scopes.Has(account.ProjectAdmin, account.ProjectReleases)
	query := page.Query
	if id, isID := artifact.ParseDebugID(query); isID {
		query = id
	}
	skip := skipped(v)
	list, err := u.Store.Bundles(v.r.Context(), p.ID, query, skip, filesPerPage+1)
	if err != nil {
		return err
	}
	page.Newer, page.Older = around(v, skip, len(list) > filesPerPage)
	for i := range list[:min(len(list), filesPerPage)] {
		page.Bundles = append(page.Bundles, bundleLine(&list[i], page.Action))
	}
	if page.Check, err = u.checked(v, p, q.Get("release")); err != nil {
		return err
	}
	return v.projectSettings(http.StatusOK, &page.SettingsHead, "Source maps", func(pg view.Page) component { return view.Artifacts(pg, page) })
}

func bundleLine(b *artifact.Bundle, action string) view.BundleLine {
	line := view.BundleLine{ID: strconv.FormatInt(b.ID, 10), Name: b.DebugID, Files: b.FileCount, Size: b.Size, At: b.CreatedAt}
	if line.Name == "" {
		line.Name = line.ID
	}
	line.Href = action + "/" + url.PathEscape(line.Name)
	for _, r := range b.Releases {
		text := r.Version
		if r.Dist != "" {
			text += " (dist " + r.Dist + ")"
		}
		line.Releases = append(line.Releases, text)
	}
	return line
}

// checked answers what the address asks about a frame of a release; empty: of none.
func (u *UI) checked(v *visit, p project.Project, version string) (view.FrameCheck, error) {
	q := v.r.URL.Query()
	c := view.FrameCheck{Frame: q.Get("frame"), Release: version, Dist: q.Get("dist"), DebugID: q.Get("debug_id")}
	if c.Frame == "" {
		return c, nil
	}
	f, err := symbol.ParseFrame(c.Frame)
	var d symbol.Diagnosis
	var resolved *event.Frame
	if err == nil {
		d, resolved, err = u.Symbols.Check(v.r.Context(), symbol.Question{Project: p.ID, Frame: f, Release: c.Release, Dist: c.Dist, DebugID: c.DebugID,
			To: artifact.Place{Organization: v.principal.Organization.Slug, Project: p.Slug}})
	}
	if fault.KindOf(err) == fault.Invalid && err != nil {
		c.Problem = fault.Public(err)
		return c, nil
	}
	if err != nil {
		return c, err
	}
	answer := diagnosis(&d)
	c.Answer = &answer
	if resolved != nil {
		c.Answer.Resolved = resolved.Function + " in " + resolved.Filename + ":" + strconv.Itoa(resolved.Lineno)
	}
	return c, nil
}

// diagnosis puts what is known of a frame into words.
func diagnosis(d *symbol.Diagnosis) view.Diagnosis {
	out := view.Diagnosis{Frame: d.Function, Where: d.AbsPath + ":" + strconv.Itoa(d.Line), Good: d.Reason == artifact.Mapped, Other: d.Reason == artifact.NotScript,
		Text: d.Text, Command: d.Command, Detail: d.Detail, DebugID: d.DebugID}
	if d.Column > 0 {
		out.Where += ":" + strconv.Itoa(d.Column)
	}
	for _, f := range [...]struct {
		label string
		file  *artifact.File
	}{{"Script", d.Script}, {"Map", d.Map}, {"Nearest upload", d.Near}} {
		if f.file == nil {
			continue
		}
		fact := view.UploadFact{Label: f.label, URL: f.file.URL}
		for _, part := range [...]struct{ name, value string }{{"debug id", f.file.DebugID}, {"release", f.file.Release}, {"dist", f.file.Dist}} {
			if part.value != "" {
				fact.Notes = append(fact.Notes, part.name+" "+part.value)
			}
		}
		out.Files = append(out.Files, fact)
	}
	return out
}

// artifactBundle lists the files of one bundle.
func (u *UI) artifactBundle(v *visit) error {
	p, err := u.projectOf(v, account.ProjectRead)
	if err != nil {
		return err
	}
	b, err := u.namedBundle(v, p, v.param("bundle"))
	if err != nil {
		return err
	}
	skip := skipped(v)
	files, err := u.Store.BundleFiles(v.r.Context(), p.ID, b.ID, skip, filesPerPage+1)
	if err != nil {
		return err
	}
	page := view.BundlePage{SettingsHead: u.projectHead(v, p, "artifacts")}
	page.Bundle = bundleLine(b, page.Action)
	page.Newer, page.Older = around(v, skip, len(files) > filesPerPage)
	for i := range files[:min(len(files), filesPerPage)] {
		f := &files[i]
		page.Files = append(page.Files, view.ArtifactLine{URL: f.URL, DebugID: f.DebugID, Sourcemap: f.Sourcemap, Kind: fileKinds[f.Type], Size: f.Size})
	}
	return v.projectSettings(http.StatusOK, &page.SettingsHead, "Source maps", func(pg view.Page) component { return view.Bundle(pg, page) })
}

func (u *UI) namedBundle(v *visit, p project.Project, name string) (*artifact.Bundle, error) {
	if id, isID := artifact.ParseDebugID(name); isID {
		name = id
	}
	list, err := u.Store.Bundle(v.r.Context(), p.ID, name)
	if err == nil && len(list) == 0 {
		err = fault.New(fault.Unknown, "There is no such upload any more.")
	}
	if err != nil {
		return nil, err
	}
	return &list[0], nil
}

// changeArtifacts deletes an upload.
func (u *UI) changeArtifacts(v *visit) error {
	if err := v.parseForm(); err != nil {
		return err
	}
	if err := v.principal.Require(account.ProjectAdmin, account.ProjectReleases); err != nil {
		return err
	}
	p, err := u.projectOf(v, account.ProjectRead)
	if err != nil {
		return err
	}
	b, err := u.namedBundle(v, p, v.r.PostFormValue("bundle"))
	if err != nil {
		return err
	}
	if _, err := u.Store.DeleteBundles(v.r.Context(), p.ID, []int64{b.ID}, u.removeFile(v)); err != nil {
		return err
	}
	v.notify(view.Notice{Text: "Deleted the upload. Events that it made readable stay so."})
	return v.redirect(v.orgPath("/projects/" + p.Slug + "/artifacts"))
}

// removeFile takes the bytes of an upload away.
func (u *UI) removeFile(v *visit) func(key string) error {
	return func(key string) error { return u.Files.Delete(v.r.Context(), key) }
}

// debugFiles lists what was uploaded to make native and JVM stacks readable.
func (u *UI) debugFiles(v *visit) error {
	p, err := u.projectOf(v, account.ProjectRead)
	if err != nil {
		return err
	}
	page := view.DebugFilesPage{SettingsHead: u.projectHead(v, p, "debug-files"), Query: v.r.URL.Query().Get("query"),
		MayDelete: v.principal.Scopes.Has(account.ProjectAdmin, account.ProjectReleases)}
	page.Upload = strings.NewReplacer("{URL}", u.BaseURL, "{ORG}", v.principal.Organization.Slug, "{PROJECT}", p.Slug).Replace(cliDebugFiles)
	skip := skipped(v)
	list, err := u.Store.DebugFiles(v.r.Context(), p.ID, postgres.DebugFileQuery{Query: page.Query, Skip: skip, Limit: filesPerPage + 1})
	if err != nil {
		return err
	}
	page.Newer, page.Older = around(v, skip, len(list) > filesPerPage)
	for i := range list[:min(len(list), filesPerPage)] {
		f := &list[i]
		page.Files = append(page.Files, view.DebugFileLine{ID: strconv.FormatInt(f.ID, 10), DebugID: f.DebugID, CodeID: f.CodeID, Name: f.ObjectName, CPU: f.CPU,
			Kind: strings.TrimSpace(f.Format + " " + f.Kind), Features: strings.Join(f.Features, ", "), Size: f.Size, At: f.CreatedAt})
	}
	return v.projectSettings(http.StatusOK, &page.SettingsHead, "Debug files", func(pg view.Page) component { return view.DebugFiles(pg, page) })
}

// cliDebugFiles is how debug files are uploaded.
const cliDebugFiles = `export SENTRY_URL={URL} SENTRY_ORG={ORG} SENTRY_PROJECT={PROJECT} SENTRY_AUTH_TOKEN=…
npx @sentry/cli debug-files upload ./build
npx @sentry/cli upload-proguard ./app/build/outputs/mapping/release/mapping.txt`

// changeDebugFiles deletes a debug file.
func (u *UI) changeDebugFiles(v *visit) error {
	if err := v.parseForm(); err != nil {
		return err
	}
	if err := v.principal.Require(account.ProjectAdmin, account.ProjectReleases); err != nil {
		return err
	}
	p, err := u.projectOf(v, account.ProjectRead)
	if err != nil {
		return err
	}
	id, err := v.formInt("file")
	if err != nil {
		return err
	}
	n, err := u.Store.DeleteDebugFiles(v.r.Context(), p.ID, []int64{id}, u.removeFile(v))
	if err != nil {
		return err
	}
	said := view.Notice{Text: "Deleted the debug file."}
	if n == 0 {
		said = view.Notice{Text: "The debug file was gone already.", Bad: true}
	}
	v.notify(said)
	return v.redirect(v.orgPath("/projects/" + p.Slug + "/debug-files"))
}

// fileKinds name the types of uploaded files.
var fileKinds = map[artifact.FileType]string{artifact.TypeSource: "source", artifact.TypeMinifiedSource: "minified script", artifact.TypeSourceMap: "source map",
	artifact.TypeIndexedRAM: "indexed bundle"}

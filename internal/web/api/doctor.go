package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/artifact"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/symbol"
)

// diagnosisShape says of one frame why it is as it is.
type diagnosisShape struct {
	Exception *int          `json:"exception"` // index; null for a stack trace of something else
	Stack     string        `json:"stack"`
	Frame     int           `json:"frame"`
	AbsPath   string        `json:"absPath"`
	Function  string        `json:"function"`
	LineNo    int           `json:"lineNo"`
	ColNo     int           `json:"colNo"`
	DebugID   *string       `json:"debugId"`
	Reason    string        `json:"reason"`
	Text      string        `json:"text"`
	Command   *string       `json:"command"`
	Detail    *string       `json:"detail"`
	Near      *uploadedFile `json:"near"`
	Script    *uploadedFile `json:"script"`
	Map       *uploadedFile `json:"map"`
}

// uploadedFile is a file of a bundle.
type uploadedFile struct {
	URL     string  `json:"url"`
	DebugID *string `json:"debugId"`
	Release *string `json:"release"`
	Dist    *string `json:"dist"`
}

func shapeUploaded(f *artifact.File) *uploadedFile {
	if f == nil {
		return nil
	}
	return &uploadedFile{f.URL, maybe(f.DebugID), maybe(f.Release), maybe(f.Dist)}
}

func shapeDiagnosis(d *symbol.Diagnosis) diagnosisShape {
	shape := diagnosisShape{Stack: d.Stack, Frame: d.Frame, AbsPath: d.AbsPath, Function: d.Function, LineNo: d.Line, ColNo: d.Column, DebugID: maybe(d.DebugID),
		Reason: string(d.Reason), Text: d.Text, Command: maybe(d.Command), Detail: maybe(d.Detail), Near: shapeUploaded(d.Near), Script: shapeUploaded(d.Script), Map: shapeUploaded(d.Map)}
	if d.Exception >= 0 {
		shape.Exception = &d.Exception
	}
	return shape
}

// eventWithProject is the event that the path names, readable as far as can be, and its project.
func (s *Service) eventWithProject(r *request) (*event.Event, project.Project, error) {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return nil, p, err
	}
	stored, _, err := s.storedEvent(r)
	if err != nil {
		return nil, p, err
	}
	ev, err := event.Decode(stored.Payload)
	if err != nil {
		return nil, p, fault.Wrap(err, fault.Internal, "read an event")
	}
	s.Symbols.Refresh(r.Context(), ev)
	return ev, p, nil
}

// sourceMapDoctor answers GET /api/v1/…/events/{event}/source-maps/: for each frame whether it is
// resolved, else the one reason why not and the command that mends it.
func (s *Service) sourceMapDoctor(w http.ResponseWriter, r *request) error {
	ev, p, err := s.eventWithProject(r)
	if err != nil {
		return err
	}
	list, err := s.Symbols.Diagnose(r.Context(), ev, artifact.Place{Organization: r.who.Organization.Slug, Project: p.Slug})
	if err != nil {
		return err
	}
	frames := make([]diagnosisShape, len(list))
	for i := range list {
		frames[i] = shapeDiagnosis(&list[i])
	}
	return ok(w, object{"release": maybe(ev.Release), "dist": maybe(ev.Dist), "frames": frames})
}

// checkBody is a frame that somebody asks about: pasted as text, or by its parts.
type checkBody struct {
	Frame   string `json:"frame"` // a line of a stack trace, or URL:line:column
	URL     string `json:"url"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Release string `json:"release"`
	Dist    string `json:"dist"`
	DebugID string `json:"debugId"`
}

// frame is the frame that is asked about. fault.Invalid: it cannot be told.
func (b *checkBody) frame() (event.Frame, error) {
	f := event.Frame{AbsPath: strings.TrimSpace(b.URL), Lineno: b.Line, Colno: b.Column}
	if b.Frame != "" {
		return symbol.ParseFrame(b.Frame)
	}
	if f.AbsPath == "" {
		return f, fault.New(fault.Invalid, "Name the frame, or url with line and column.")
	}
	return f, nil
}

// checkSourceMap answers POST /api/v1/…/source-maps/check/: which map a frame or file would be
// resolved by, or why by none.
func (s *Service) checkSourceMap(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	var b checkBody
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	f, err := b.frame()
	if err != nil {
		return err
	}
	if _, isID := artifact.ParseDebugID(b.DebugID); b.DebugID != "" && !isID {
		return fieldError{"debugId", "A debug id has 32 hexadecimal digits."}
	}
	d, resolved, err := s.Symbols.Check(r.Context(), symbol.Question{Project: p.ID, Frame: f, Release: b.Release, Dist: b.Dist, DebugID: b.DebugID,
		To: artifact.Place{Organization: r.who.Organization.Slug, Project: p.Slug}})
	if err != nil {
		return err
	}
	answer := object{"diagnosis": shapeDiagnosis(&d), "resolved": nil}
	if resolved != nil {
		answer["resolved"] = stack(&event.Stacktrace{Frames: []event.Frame{*resolved}}).Frames[0]
	}
	return ok(w, answer)
}

// sourceMapDebug answers GET …/events/{event}/source-map-debug-blue-thunder-edition/, in the shape
// that pages and assistants of Sentry know.
// Rule: getsentry/sentry src/sentry/api/endpoints/source_map_debug_blue_thunder_edition.py
func (s *Service) sourceMapDebug(w http.ResponseWriter, r *request) error {
	ev, p, err := s.eventWithProject(r)
	if err != nil {
		return err
	}
	raw := symbol.AsCame(ev)
	list, err := s.Symbols.Diagnose(r.Context(), raw, artifact.Place{Organization: r.who.Organization.Slug, Project: p.Slug})
	if err != nil {
		return err
	}
	facts, err := s.Store.UploadFacts(r.Context(), p.ID, ev.Release)
	if err != nil {
		return err
	}
	exceptions := make([]object, len(raw.Exceptions))
	hasIDs := false
	for i := range exceptions {
		frames := []object{}
		for j := range list {
			if d := &list[j]; d.Exception == i {
				frames = append(frames, debugFrame(d, ev))
				hasIDs = hasIDs || d.DebugID != ""
			}
		}
		exceptions[i] = object{"frames": frames}
	}
	var version *string
	support := "not-supported"
	if ev.SDK != nil {
		version = maybe(ev.SDK.Version)
		if slices.ContainsFunc([]string{"sentry.javascript."}, func(prefix string) bool { return strings.HasPrefix(ev.SDK.Name, prefix) }) {
			support = "full"
		} else {
			support = "unofficial-sdk"
		}
	}
	return ok(w, object{"dist": maybe(ev.Dist), "release": maybe(ev.Release), "exceptions": exceptions, "has_debug_ids": hasIDs, "min_debug_id_sdk_version": "7.56.0",
		"sdk_debug_id_support": support, "sdk_version": version, "project_has_some_artifact_bundle": facts.Bundles, "release_has_some_artifact": facts.Release,
		"has_uploaded_some_artifact_with_a_debug_id": facts.DebugIDs, "has_scraping_data": false})
}

// debugFrame is what is known of one frame, by each way of finding its map.
func debugFrame(d *symbol.Diagnosis, ev *event.Event) object {
	byID := object{"debug_id": maybe(d.DebugID), "uploaded_source_file_with_correct_debug_id": d.DebugID != "" && d.Script != nil && d.Script.DebugID == d.DebugID,
		"uploaded_source_map_with_correct_debug_id": d.DebugID != "" && d.Map != nil && d.Map.DebugID == d.DebugID}
	var release any
	if ev.Release != "" {
		lookup := func(f *artifact.File) string {
			switch {
			case f != nil:
				return "found"
			case d.Reason == artifact.WrongDist:
				return "wrong-dist"
			}
			return "unsuccessful"
		}
		var reference, mapName *string
		if d.Script != nil {
			reference = maybe(d.Script.Sourcemap)
		}
		if d.Map != nil {
			mapName = maybe(d.Map.URL)
		}
		release = object{"abs_path": d.AbsPath, "matching_source_file_names": artifact.Candidates(d.AbsPath), "matching_source_map_name": mapName,
			"source_map_reference": reference, "source_file_lookup_result": lookup(d.Script), "source_map_lookup_result": lookup(d.Map)}
	}
	return object{"debug_id_process": byID, "release_process": release, "scraping_process": object{"source_file": nil, "source_map": nil}}
}

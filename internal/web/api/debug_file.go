package api

import (
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/tocsin-dev/tocsin/internal/artifact"
	"github.com/tocsin-dev/tocsin/internal/blob"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/httpx"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/web/upload"
)

// debugFileShape is a debug information file.
// Rule: getsentry/sentry src/sentry/api/serializers/models/debug_file.py
type debugFileShape struct {
	ID          string            `json:"id"`
	UUID        string            `json:"uuid"`
	DebugID     string            `json:"debugId"`
	CodeID      *string           `json:"codeId"`
	CPUName     string            `json:"cpuName"`
	ObjectName  string            `json:"objectName"`
	SymbolType  string            `json:"symbolType"`
	Headers     map[string]string `json:"headers"`
	Size        int64             `json:"size"`
	SHA1        string            `json:"sha1"`
	DateCreated time.Time         `json:"dateCreated"`
	Data        debugFileData     `json:"data"`
}

type debugFileData struct {
	Type     string   `json:"type"`
	Features []string `json:"features"`
}

// contentTypes are the types of debug files that have one of their own.
var contentTypes = map[string]string{"breakpad": "text/x-breakpad", "macho": "application/x-mach-binary", "elf": "application/x-elf-binary", "pe": "application/x-dosexec",
	"pdb": "application/x-ms-pdb", "wasm": "application/wasm", "sourcebundle": "application/x-sentry-bundle+zip", "proguard": "text/x-proguard+plain",
	"portablepdb": "application/x-portable-pdb", "bcsymbolmap": "text/x-bcsymbolmap", "il2cpp": "application/x-il2cpp-json", "dartsymbolmap": "application/x-dartsymbolmap+json"}

func shapeDebugFile(f *postgres.DebugFile) debugFileShape {
	kind := contentTypes[f.Format]
	if kind == "" {
		kind = octets
	}
	return debugFileShape{ID: id(f.ID), UUID: f.DebugID, DebugID: f.DebugID, CodeID: maybe(f.CodeID), CPUName: f.CPU, ObjectName: f.ObjectName, SymbolType: f.Format,
		Headers: map[string]string{"Content-Type": kind}, Size: f.Size, SHA1: hex.EncodeToString(f.SHA1), DateCreated: utc(f.CreatedAt),
		Data: debugFileData{f.Kind, append([]string{}, f.Features...)}}
}

// assembleFileBody is one file of an assembly, by its SHA-1.
type assembleFileBody struct {
	Name    string   `json:"name"`
	DebugID *string  `json:"debug_id"`
	Chunks  []string `json:"chunks"`
}

// fileStateShape is how far a debug file is.
type fileStateShape struct {
	stateShape
	Dif *debugFileShape `json:"dif,omitempty"`
}

// maxAssembled is how many files one request may assemble.
const maxAssembled = 2000

// assembleFiles answers POST …/files/difs/assemble/: chunks become debug information files.
// Rule: getsentry/sentry src/sentry/api/endpoints/debug_files.py (DifAssembleEndpoint)
func (s *Service) assembleFiles(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	var body map[string]assembleFileBody
	if err := readLoose(w, r, &body); err != nil {
		return err
	}
	if len(body) > maxAssembled {
		return fault.New(fault.Invalid, "at most %d files are assembled at once", maxAssembled)
	}
	answer := make(map[string]fileStateShape, len(body))
	for sum, b := range body {
		if err := upload.CheckSums(sum, b.Chunks); err != nil {
			return err
		}
		q := upload.DebugFile{Org: r.org(), Project: p.ID, Sum: sum, Name: b.Name, Chunks: b.Chunks}
		if b.DebugID != nil {
			q.DebugID = *b.DebugID
		}
		state, files, err := s.uploads.DebugFile(r.Context(), q)
		if err != nil {
			return err
		}
		shape := fileStateShape{stateShape: shapeState(state)}
		if len(files) > 0 {
			shape.Dif = new(shapeDebugFile(&files[0]))
		}
		answer[sum] = shape
	}
	return ok(w, answer)
}

// debugFiles answers GET …/files/dsyms/, newest first; with id the bytes of one.
func (s *Service) debugFiles(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	q := r.URL.Query()
	if q.Has("id") {
		f, err := s.oneDebugFile(r, p.ID)
		if err != nil {
			return err
		}
		return s.sendFile(w, r, f.Blob, f.Size, f.ObjectName)
	}
	skip, limit, err := page(r)
	if err != nil {
		return err
	}
	if !q.Has("per_page") {
		limit = 20
	}
	find := postgres.DebugFileQuery{Query: q.Get("query"), DebugID: q.Get("debug_id"), CodeID: q.Get("code_id"), Formats: q["file_formats"], Skip: skip, Limit: limit + 1}
	if debugID, isID := artifact.ParseDebugID(find.DebugID); isID {
		find.DebugID = debugID
	}
	if debugID, isID := artifact.ParseDebugID(find.Query); isID {
		find.Query = debugID
	}
	list, err := s.Store.DebugFiles(r.Context(), p.ID, find)
	if err != nil {
		return err
	}
	return pageRead(s, w, r, list, skip, limit, shapeDebugFile)
}

// oneDebugFile is the file that the parameter id names. fault.Unknown.
func (s *Service) oneDebugFile(r *request, project int64) (*postgres.DebugFile, error) {
	n, err := strconv.ParseInt(r.URL.Query().Get("id"), 10, 64)
	if err != nil {
		return nil, errNotFound()
	}
	list, err := s.Store.DebugFile(r.Context(), project, n)
	if err == nil && len(list) == 0 {
		err = errNotFound()
	}
	if err != nil {
		return nil, err
	}
	return &list[0], nil
}

// deleteDebugFile answers DELETE …/files/dsyms/?id=.
func (s *Service) deleteDebugFile(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	f, err := s.oneDebugFile(r, p.ID)
	if err != nil {
		return err
	}
	if _, err := s.Store.DeleteDebugFiles(r.Context(), p.ID, []int64{f.ID}, func(key string) error { return s.Files.Delete(r.Context(), key) }); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// addDebugFiles answers POST …/files/dsyms/: a form with a debug file, or a ZIP archive of some.
func (s *Service) addDebugFiles(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	r.Body = http.MaxBytesReader(w, r.Body, blob.MaxBytes)
	form, err := r.MultipartReader()
	if err != nil {
		return fault.New(fault.Invalid, "Missing uploaded file")
	}
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			return fault.New(fault.Invalid, "Missing uploaded file")
		}
		if err != nil {
			return formError(err)
		}
		if part.FormName() != "file" {
			continue
		}
		body, err := io.ReadAll(part)
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return fault.New(fault.TooLarge, "an upload in one piece has at most %d bytes: send it in chunks", blob.MaxBytes)
		}
		if err != nil {
			return formError(err)
		}
		kept, err := s.uploads.Archive(r.Context(), p.ID, part.FileName(), body)
		if err != nil {
			return err
		}
		out := make([]debugFileShape, len(kept))
		for i := range kept {
			out[i] = shapeDebugFile(&kept[i])
		}
		return httpx.JSON(w, http.StatusCreated, out)
	}
}

// unknownDebugFiles answers GET …/files/dsyms/unknown/?checksums=: which files are not there.
func (s *Service) unknownDebugFiles(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	asked := r.URL.Query()["checksums"]
	var sums [][]byte
	for _, text := range asked {
		if sum, err := hex.DecodeString(text); err == nil {
			sums = append(sums, sum)
		}
	}
	known, err := s.Store.DebugFilesBySum(r.Context(), p.ID, sums)
	if err != nil {
		return err
	}
	missing := []string{}
	for _, text := range asked {
		if !slices.ContainsFunc(known, func(f postgres.DebugFile) bool { return hex.EncodeToString(f.SHA1) == text }) && !slices.Contains(missing, text) {
			missing = append(missing, text)
		}
	}
	return ok(w, object{"missing": missing})
}

// associateDebugFiles answers POST …/files/dsyms/associate/, with which old clients bind files to
// the version of an app: here debug ids bind them, so that there is nothing to do.
func (s *Service) associateDebugFiles(w http.ResponseWriter, r *request) error {
	if _, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project")); err != nil {
		return err
	}
	return ok(w, object{"associatedDsymFiles": []any{}})
}

// proguardReleaseBody names a mapping and a release.
type proguardReleaseBody struct {
	Release string `json:"release_name"`
	UUID    string `json:"proguard_uuid"`
}

// addProguardRelease answers POST …/files/proguard-artifact-releases: the release is known from now
// on. Which mapping its events use, they say themselves. fault.Unknown: there is no such mapping.
func (s *Service) addProguardRelease(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	var b proguardReleaseBody
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	debugID, isID := artifact.ParseDebugID(b.UUID)
	if b.Release == "" || len(b.Release) > maxVersion || !isID {
		return fault.New(fault.Invalid, "Missing required fields: release_name, proguard_uuid")
	}
	list, err := s.Store.DebugFilesByID(r.Context(), p.ID, []string{debugID})
	if err == nil && len(list) == 0 {
		err = fault.New(fault.Unknown, "No matching proguard mapping file found")
	}
	if err == nil {
		err = s.Store.MentionRelease(r.Context(), p.ID, b.Release)
	}
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusCreated, object{"proguard_uuid": debugID})
}

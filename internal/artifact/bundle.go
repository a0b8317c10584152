package artifact

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Bounds on one bundle.
const (
	maxEntries       = 60_000
	maxManifestBytes = 64 << 20
	maxURLBytes      = 4096
	maxPeekBytes     = 64 << 20  // of one file that is looked into for its debug id
	maxPeekedBytes   = 512 << 20 // of all such files
)

// Manifest is what a bundle says of itself.
type Manifest struct {
	Organization string
	Project      string
	Release      string
	Dist         string
	DebugID      string // normalized; empty when it names none
	Files        []File // without Blob and Bundle
}

// manifest is manifest.json as it is written.
// Rule: getsentry/symbolic symbolic-debuginfo/src/sourcebundle/mod.rs (SourceBundleManifest)
type manifest struct {
	Org, Project, Release, Dist json.RawMessage
	DebugID                     json.RawMessage `json:"debug_id"`
	Files                       map[string]struct {
		Type    json.RawMessage
		URL     json.RawMessage
		Headers json.RawMessage
	}
}

// ReadBundle reads the manifest of a bundle: an archive, with or without the header SYSB, whose
// offsets count from the beginning of the whole. fault.Invalid: it is none, or what it holds leads
// out of it; the text says what to do. fault.TooLarge: it unpacks to more than is read.
func ReadBundle(r io.ReaderAt, size int64) (*Manifest, error) {
	archive, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the bundle is no readable ZIP archive: upload it again")
	}
	if len(archive.File) > maxEntries {
		return nil, fault.New(fault.TooLarge, "the bundle has %d files, more than %d: upload in several", len(archive.File), maxEntries)
	}
	entries := make(map[string]*zip.File, len(archive.File))
	for _, f := range archive.File {
		if !within(f.Name) {
			return nil, fault.New(fault.Invalid, "the bundle names a file outside of itself: %.200q", f.Name)
		}
		if entries[f.Name] == nil {
			entries[f.Name] = f
		}
	}
	written, err := readManifest(entries["manifest.json"])
	if err != nil {
		return nil, err
	}
	m := &Manifest{Organization: text(written.Org), Project: text(written.Project), Release: text(written.Release), Dist: text(written.Dist)}
	m.DebugID, _ = ParseDebugID(text(written.DebugID))
	peeked := int64(0)
	for _, f := range archive.File { // in the archive's order, which is the same each time
		about, listed := written.Files[f.Name]
		if !listed || entries[f.Name] != f {
			continue
		}
		file, err := describe(f, text(about.URL), typeNames[text(about.Type)])
		if err != nil {
			return nil, err
		}
		file.applyHeaders(headers(about.Headers))
		if file.incomplete() && peeked < maxPeekedBytes {
			n, err := file.peek(f)
			if err != nil {
				return nil, err
			}
			peeked += n
		}
		m.Files = append(m.Files, file)
	}
	if len(m.Files) == 0 {
		return nil, fault.New(fault.Invalid, "the bundle's manifest names no file that is in it")
	}
	return m, nil
}

// within reports whether the name of an entry stays below the archive.
func within(name string) bool {
	if name == "" || len(name) > maxURLBytes || name[0] == '/' || strings.ContainsAny(name, "\\\x00") {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return false
		}
	}
	return true
}

func readManifest(f *zip.File) (*manifest, error) {
	if f == nil {
		return nil, fault.New(fault.Invalid, "the bundle has no manifest.json")
	}
	body, err := readEntry(f, maxManifestBytes)
	if err != nil {
		return nil, err
	}
	var m manifest
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, fault.New(fault.Invalid, "the bundle's manifest.json is no readable JSON")
	}
	return &m, nil
}

// readEntry unpacks one entry. fault.TooLarge: it has more than limit bytes, whatever it claims.
func readEntry(f *zip.File, limit int64) ([]byte, error) {
	in, err := f.Open()
	if err != nil {
		return nil, fault.New(fault.Invalid, "%.200q in the bundle cannot be unpacked", f.Name)
	}
	defer in.Close()
	var buf bytes.Buffer
	_, err = io.Copy(&buf, io.LimitReader(in, limit+1))
	switch {
	case int64(buf.Len()) > limit:
		return nil, fault.New(fault.TooLarge, "%.200q in the bundle unpacks to more than %d bytes", f.Name, limit)
	case err != nil:
		return nil, fault.New(fault.Invalid, "%.200q in the bundle is damaged", f.Name)
	}
	return buf.Bytes(), nil
}

func describe(f *zip.File, url string, t FileType) (File, error) {
	if f.Method != zip.Store && f.Method != zip.Deflate {
		return File{}, fault.New(fault.Invalid, "%.200q in the bundle is packed in a way that is not read", f.Name)
	}
	offset, err := f.DataOffset()
	if err != nil {
		return File{}, fault.New(fault.Invalid, "%.200q in the bundle is not where it is said to be", f.Name)
	}
	if url == "" {
		url = "~/" + strings.TrimPrefix(f.Name, "files/_/_/")
	}
	if len(url) > maxURLBytes {
		url = url[:maxURLBytes]
	}
	return File{URL: strings.ToValidUTF8(strings.ReplaceAll(url, "\x00", ""), ""), Path: strings.ToValidUTF8(f.Name, "?"), Type: t, Offset: offset,
		Packed: int64(min(f.CompressedSize64, 1<<62)), Size: int64(min(f.UncompressedSize64, 1<<62)), Method: f.Method}, nil
}

// text is a JSON text; empty for other values.
func text(v json.RawMessage) string {
	var s string
	_ = json.Unmarshal(v, &s) // stays empty
	return strings.ReplaceAll(s, "\x00", "")
}

// headers are the members of an object that are texts, by name in lower case.
func headers(v json.RawMessage) map[string]string {
	var raw map[string]json.RawMessage
	_ = json.Unmarshal(v, &raw) // stays empty
	out := make(map[string]string, len(raw))
	for name, value := range raw {
		out[strings.ToLower(name)] = text(value)
	}
	return out
}

func (f *File) applyHeaders(h map[string]string) {
	f.DebugID, _ = ParseDebugID(h["debug-id"])
	if f.Sourcemap = h["sourcemap"]; f.Sourcemap == "" {
		f.Sourcemap = h["x-sourcemap"]
	}
	if len(f.Sourcemap) > maxURLBytes { // an inline map; the script has it too
		f.Sourcemap = ""
	}
	if f.Type == TypeUnknown {
		f.Type = guess(f.URL)
	}
}

// guess is the type that a file's name suggests.
func guess(url string) FileType {
	switch ext := path.Ext(Name(url)); ext {
	case ".map":
		return TypeSourceMap
	case ".js", ".cjs", ".mjs", ".bundle":
		return TypeMinifiedSource
	}
	return TypeUnknown
}

// incomplete reports whether the manifest leaves out what the file itself may say.
func (f *File) incomplete() bool {
	switch f.Type {
	case TypeMinifiedSource:
		return f.DebugID == "" || f.Sourcemap == ""
	case TypeSourceMap:
		return f.DebugID == ""
	}
	return false
}

// peek looks into a file for its debug id and its reference to a map. A file that is too large for
// that keeps what the manifest says.
func (f *File) peek(entry *zip.File) (int64, error) {
	if f.Size > maxPeekBytes {
		return 0, nil
	}
	body, err := readEntry(entry, maxPeekBytes)
	var e *fault.Error
	if errors.As(err, &e) && e.Kind == fault.TooLarge { // it lies about its size
		return 0, fmt.Errorf("bundle: %w", err)
	}
	if err != nil {
		return 0, err
	}
	f.Discover(body)
	if len(f.Sourcemap) > maxURLBytes { // a map of its own, which is read with it
		f.Sourcemap = ""
	}
	return int64(len(body)), nil
}

// Discover takes from a file's bytes what its headers left out: the debug id and, of a script, the
// reference to its map.
func (f *File) Discover(body []byte) {
	switch f.Type {
	case TypeSourceMap:
		if f.DebugID == "" {
			f.DebugID = mapDebugID(body)
		}
	case TypeMinifiedSource, TypeSource:
		id, ref := trailers(body)
		if f.DebugID == "" {
			f.DebugID, _ = ParseDebugID(id)
		}
		if f.Sourcemap == "" {
			f.Sourcemap = ref
		}
	}
}

// mapDebugID is the debug id of a source map; empty when it has none.
func mapDebugID(body []byte) string {
	var m struct {
		Old json.RawMessage `json:"debug_id"`
		New json.RawMessage `json:"debugId"`
	}
	if json.Unmarshal(body, &m) != nil {
		return ""
	}
	id, ok := ParseDebugID(text(m.Old))
	if !ok {
		id, _ = ParseDebugID(text(m.New))
	}
	return id
}

// trailers are the comments at the end of a script: its debug id and the reference to its map.
func trailers(body []byte) (debugID, reference string) {
	for n := 0; len(body) > 0 && n < 32; n++ {
		body = bytes.TrimRight(body, " \t\r\n;")
		start := bytes.LastIndexByte(body, '\n') + 1
		line := bytes.TrimSpace(body[start:])
		body = body[:start]
		if i := bytes.LastIndex(line, []byte("//# ")); i >= 0 || bytes.Contains(line, []byte("//@ ")) {
			if i < 0 {
				i = bytes.LastIndex(line, []byte("//@ "))
			}
			name, value, _ := strings.Cut(string(line[i+4:]), "=")
			switch {
			case name == "debugId" && debugID == "":
				debugID = strings.TrimSpace(value)
			case name == "sourceMappingURL" && reference == "":
				reference = strings.TrimSpace(value)
			}
		}
	}
	return debugID, reference
}

// SingleFile is the bundle that one file of a release makes, found under its name.
func SingleFile(name string, given map[string]string, body []byte) *Bundle {
	f := File{URL: name, Path: name, Packed: int64(len(body)), Size: int64(len(body))}
	lower := make(map[string]string, len(given))
	for k, v := range given {
		lower[strings.ToLower(k)] = v
	}
	f.applyHeaders(lower)
	f.Discover(body)
	if len(f.Sourcemap) > maxURLBytes {
		f.Sourcemap = ""
	}
	return &Bundle{Kind: KindFile, Size: int64(len(body)), FileCount: 1, Headers: given, Files: []File{f}}
}

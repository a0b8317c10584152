package artifact

import (
	"strings"

	"github.com/tocsin-dev/tocsin/internal/sourcemap"
)

// The ways by which a frame was resolved, as they are stored with it.
const (
	WithDebugID    = "debug-id"
	WithRelease    = "release"     // a bundle of the release
	WithReleaseOld = "release-old" // a single file of the release
)

// Candidates are the addresses that the file at a URL may have been uploaded under, best first.
// Rule: getsentry/symbolicator crates/symbolicator-js/src/utils.rs (get_release_file_candidate_urls)
func Candidates(url string) []string {
	url, _, _ = strings.Cut(url, "#")
	plain, query, hasQuery := strings.Cut(url, "?")
	list := []string{url}
	if hasQuery {
		list = append(list, plain)
	}
	path := plain
	if scheme, rest, ok := strings.Cut(plain, "://"); ok && scheme != "" {
		slash := strings.IndexByte(rest, '/')
		if slash < 0 {
			return list
		}
		path = rest[slash:]
	} else if !strings.HasPrefix(plain, "/") {
		return list
	}
	if hasQuery {
		list = append(list, "~"+path+"?"+query)
	}
	return append(list, "~"+path)
}

// Index finds the files of a release and dist by the address they were uploaded under.
type Index map[string]File

// NewIndex holds files, of which the first with an address wins.
func NewIndex(files []File) Index {
	x := make(Index, len(files))
	for _, f := range files {
		if _, taken := x[f.URL]; !taken {
			x[f.URL] = f
		}
	}
	return x
}

// Find returns the file at a URL.
func (x Index) Find(url string) (File, bool) {
	for _, c := range Candidates(url) {
		if f, ok := x[c]; ok {
			return f, true
		}
	}
	return File{}, false
}

// Module is what was uploaded for the script at one address.
type Module struct {
	AbsPath string // that frames name
	DebugID string // that the event names for it; empty when it names none
	Script  *File
	Map     *File
	With    string // how it was found
}

// Choose finds the script and the map of a module: by debug id, else by release, dist and address.
// byID are files with the module's debug id, newer first; release those of the event's release.
// Rule: https://docs.sentry.io/platforms/javascript/sourcemaps/troubleshooting_js/artifact-bundles/
func Choose(absPath, debugID string, byID []File, release Index) Module {
	m := Module{AbsPath: absPath, DebugID: debugID}
	for i := range byID {
		f := &byID[i]
		switch {
		case f.Type == TypeSourceMap && m.Map == nil:
			m.Map, m.With = f, WithDebugID
		case f.Type == TypeMinifiedSource && m.Script == nil:
			m.Script, m.With = f, WithDebugID
		}
	}
	if m.Script == nil && m.Map == nil {
		if f, ok := release.Find(absPath); ok && f.Type != TypeSourceMap {
			m.Script, m.With = &f, WithRelease
			if f.Path == f.URL && f.Offset == 0 && f.Method == 0 {
				m.With = WithReleaseOld
			}
		}
	}
	if m.Map == nil {
		m.Map = m.referenced(release)
	}
	return m
}

// referenced is the map that the script refers to, else one that stands beside it; nil when there
// is none, and for a map within the script.
func (m *Module) referenced(release Index) *File {
	if m.Script == nil {
		if f, ok := release.Find(m.AbsPath + ".map"); ok && f.Type == TypeSourceMap {
			m.With = WithRelease
			return &f
		}
		return nil
	}
	ref := m.Script.Sourcemap
	if strings.HasPrefix(ref, "data:") {
		return nil
	}
	if ref == "" {
		ref = Name(m.Script.URL) + ".map"
		if f, ok := release[m.Script.URL+".map"]; ok {
			return &f
		}
	}
	for _, base := range []string{m.Script.URL, m.AbsPath} {
		if f, ok := release.Find(sourcemap.Join(base, ref)); ok {
			return &f
		}
	}
	return nil
}

// MapURL is where the map of the module is, as far as it is known: what the names of sources are
// relative to.
func (m *Module) MapURL() string {
	if m.Script != nil && m.Script.Sourcemap != "" && !strings.HasPrefix(m.Script.Sourcemap, "data:") {
		return sourcemap.Join(m.AbsPath, m.Script.Sourcemap)
	}
	return m.AbsPath + ".map"
}

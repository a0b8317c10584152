package artifact

import (
	"encoding/hex"
	"path"
	"strings"
	"time"
)

// BundleKind tells what an uploaded file is. The numbers are stored.
type BundleKind int16

// The kinds.
const (
	KindBundle BundleKind = 1 // an archive with a manifest
	KindFile   BundleKind = 2 // one file of a release, as older clients upload it
)

// FileType tells what a file of a bundle is. The numbers are stored.
// Rule: getsentry/sentry src/sentry/models/artifactbundle.py (SourceFileType)
type FileType int16

// The types.
const (
	TypeUnknown        FileType = 0
	TypeSource         FileType = 1
	TypeMinifiedSource FileType = 2
	TypeSourceMap      FileType = 3
	TypeIndexedRAM     FileType = 4
)

var typeNames = map[string]FileType{"source": TypeSource, "minified_source": TypeMinifiedSource, "source_map": TypeSourceMap, "indexed_ram_bundle": TypeIndexedRAM}

// File is one file of a bundle and where its bytes lie.
type File struct {
	Bundle    int64
	URL       string // as the manifest names it: absolute, or from ~
	Path      string // within the bundle
	Type      FileType
	DebugID   string // normalized; empty when it has none
	Sourcemap string // a script's reference to its map; empty when it has none
	Blob      string // key of the bundle's bytes
	Offset    int64  // of the file's bytes within them
	Packed    int64  // bytes as stored
	Size      int64  // bytes unpacked
	Method    uint16 // 0 stored, 8 deflate
	Release   string // that the bundle was found under; empty for none
	Dist      string
}

// Bundle is an uploaded file that holds scripts and maps.
type Bundle struct {
	Project   int64
	ID        int64
	Kind      BundleKind
	Identity  []byte // equal for uploads of the same thing
	SHA1      []byte
	DebugID   string
	Size      int64 // bytes
	FileCount int
	Blob      string
	Headers   map[string]string // of a single file
	CreatedAt time.Time
	SeenAt    time.Time
	Files     []File
	Releases  []Release // that it belongs to
}

// Release is a release and dist that a bundle belongs to; the dist is empty for none.
type Release struct{ Version, Dist string }

// ParseDebugID brings a debug id into the form that is stored and compared: lower case, with
// dashes, an age behind when it is not 0. ok is false when it is none.
// Rule: https://docs.rs/debugid/latest/debugid/struct.DebugId.html
func ParseDebugID(s string) (id string, ok bool) {
	plain := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(s)), "-", "")
	if len(plain) < 32 || len(plain) > 40 {
		return "", false
	}
	for i := range len(plain) {
		if c := plain[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return "", false
		}
	}
	id = plain[:8] + "-" + plain[8:12] + "-" + plain[12:16] + "-" + plain[16:20] + "-" + plain[20:32]
	if age := strings.TrimLeft(plain[32:], "0"); age != "" {
		id += "-" + age
	}
	return id, true
}

// IsSHA1 reports whether s is 40 lower-case hex digits.
func IsSHA1(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 20 && strings.ToLower(s) == s
}

// Name is the last part of a URL or path, in lower case and without query, by which files are found
// that were uploaded under another address.
func Name(url string) string {
	if end := strings.IndexAny(url, "?#"); end >= 0 {
		url = url[:end]
	}
	return strings.ToLower(path.Base(strings.ReplaceAll(url, "\\", "/")))
}

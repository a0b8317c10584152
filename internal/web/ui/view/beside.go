package view

import (
	"path"
	"strings"
	"time"
)

// File is a file that came with the event.
type File struct {
	Name  string
	Kind  string // as the client called it
	Bytes int64
	Href  string // of its bytes, which come as a download
	Shown bool   // it is a picture of a kind that browsers may show
	At    time.Time

	Readable bool   // it is text that a page may show
	View     string // address of that page; empty: none
	Event    string // address of the event it came with, in lists of several events
}

// FilePage is a text file that came with an event.
type FilePage struct {
	File File
	Back string
	Text string
	Cut  bool // there is more than is shown
}

// Words is what a user wrote about the event.
type Words struct {
	Name, Email string
	Message     string
	At          time.Time
}

// maxShownBytes is the largest picture that is shown without being asked for.
const maxShownBytes = 4 << 20

// NewFile is a file as the page shows it. The server sends a picture as one only when its bytes
// prove it.
func NewFile(name, kind string, bytes int64, href string) File {
	shown := false
	switch kind {
	case "image/png", "image/jpeg", "image/gif", "image/webp":
		shown = bytes <= maxShownBytes
	}
	return File{Name: name, Kind: kind, Bytes: bytes, Href: href, Shown: shown, Readable: readable(name, kind)}
}

// readable knows files that are text, by what the client called them.
func readable(name, kind string) bool {
	kind, _, _ = strings.Cut(kind, ";")
	switch {
	case strings.HasPrefix(kind, "text/"), strings.HasSuffix(kind, "+json"), strings.HasSuffix(kind, "+xml"):
		return true
	}
	switch kind {
	case "application/json", "application/xml", "application/yaml", "application/x-yaml", "application/toml", "application/javascript":
		return true
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".txt", ".log", ".json", ".xml", ".yaml", ".yml", ".toml", ".ini", ".csv", ".md":
		return true
	}
	return false
}

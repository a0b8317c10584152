package view

import "time"

// File is a file that came with the event.
type File struct {
	Name  string
	Kind  string // as the client called it
	Bytes int64
	Href  string // of its bytes, which come as a download
	Shown bool   // it is a picture of a kind that browsers may show
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
	return File{Name: name, Kind: kind, Bytes: bytes, Href: href, Shown: shown}
}

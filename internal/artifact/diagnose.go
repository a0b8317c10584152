package artifact

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Case is one script that no map was found for, and what might have been meant.
type Case struct {
	AbsPath string // that the frame names
	DebugID string // that the event names for it; empty when it names none
	Release Release
	Near    []File // files of that name, under whatever address, with each of their releases
}

// Diagnose says why none of the files that are near is used, and names the one that comes closest.
func (c *Case) Diagnose() (Reason, *File) {
	candidates := Candidates(c.AbsPath)
	rank := func(f *File) (Reason, int) {
		here := slices.Contains(candidates, f.URL) || slices.Contains(candidates, strings.TrimSuffix(f.URL, ".map"))
		switch {
		case c.DebugID != "" && f.DebugID != "" && f.DebugID != c.DebugID && (f.Release == "" || f.Release == c.Release.Version):
			return WrongDebugID, 1
		case f.Release == "" && f.DebugID != "" && c.DebugID == "":
			return WrongDebugID, 2
		case f.Release == "":
			return WrongRelease, 8
		case f.Release == c.Release.Version && f.Dist != c.Release.Dist && here:
			return WrongDist, 3
		case f.Release == c.Release.Version && f.Dist == c.Release.Dist && !here:
			return WrongURL, 4
		case f.Release != c.Release.Version && here:
			return WrongRelease, 5
		case f.Release == c.Release.Version && !here:
			return WrongURL, 6
		}
		return WrongRelease, 7
	}
	best, reason, closest := 100, NoMap, (*File)(nil)
	for i := range c.Near {
		if c.Near[i].Type == TypeSource {
			continue // an original that happens to have the name
		}
		if r, n := rank(&c.Near[i]); n < best {
			best, reason, closest = n, r, &c.Near[i]
		}
	}
	return reason, closest
}

// Remedy is what is said about a frame and what mends it.
type Remedy struct {
	Text    string // why, for people
	Command string // to type; empty when none mends it
}

// Place is where uploads of a project go.
type Place struct{ Organization, Project string }

// Remedy says in words why a script's frames are as they came, and the command that mends it. near
// is the file that comes closest, nil for none; detail what reading the map said.
func (c *Case) Remedy(reason Reason, near *File, detail string, to Place) Remedy {
	upload := "sentry-cli sourcemaps upload --org " + quote(to.Organization) + " --project " + quote(to.Project)
	inject := "sentry-cli sourcemaps inject ./dist && "
	named := upload
	if c.Release.Version != "" {
		named += " --release " + quote(c.Release.Version)
		if c.Release.Dist != "" {
			named += " --dist " + quote(c.Release.Dist)
		}
	}
	prefixed := named + " --url-prefix " + quote(urlPrefix(c.AbsPath))
	switch reason {
	case Mapped:
		return Remedy{Text: "The frame is shown as it stands in the source."}
	case NotScript:
		return Remedy{Text: "The frame is not one of a script that can have a source map."}
	case NoLocation:
		return Remedy{Text: "The frame names no line, so no map can be asked about it."}
	case NoColumn:
		return Remedy{Text: "The frame names no column, and the script has all its code on one line."}
	case NoMapForScript:
		return Remedy{"The script was uploaded, and its source map was not. Let the build write source maps and upload both.", choose(c.DebugID != "", upload, prefixed) + " ./dist"}
	case WrongDebugID:
		if c.DebugID == "" {
			return Remedy{fmt.Sprintf("%s was uploaded with the debug id %s, and the event names none: the script that ran is not the one that was injected, or the SDK is too old for debug ids. Deploy the files that were injected, or upload for the release.", Name(c.AbsPath), near.DebugID), prefixed + " ./dist"}
		}
		return Remedy{fmt.Sprintf("The event names the debug id %s for %s; uploaded is %s, which is another build. Inject, upload and deploy the same files.", c.DebugID, Name(c.AbsPath), near.DebugID), inject + upload + " ./dist"}
	case WrongRelease:
		have := "no release"
		if near != nil && near.Release != "" {
			have = "release " + near.Release
		}
		if c.Release.Version == "" {
			return Remedy{fmt.Sprintf("%s was uploaded for %s, and the event names neither a release nor a debug id. Inject debug ids, or set the release where the SDK is started.", Name(c.AbsPath), have), inject + upload + " ./dist"}
		}
		return Remedy{fmt.Sprintf("%s was uploaded for %s; the event is of release %s.", Name(c.AbsPath), have, c.Release.Version), prefixed + " ./dist"}
	case WrongDist:
		return Remedy{fmt.Sprintf("The release has %s for the dist %s; the event is of the dist %s.", near.URL, none(near.Dist), none(c.Release.Dist)), prefixed + " ./dist"}
	case WrongURL:
		return Remedy{fmt.Sprintf("The release has %s; the script ran at %s, which is looked for as %s.", near.URL, c.AbsPath, strings.Join(Candidates(c.AbsPath), " or ")), prefixed + " ./dist"}
	case Unreadable:
		return Remedy{"The source map cannot be read: " + detail + ". Build it again and upload it; --validate finds such a map before.", choose(c.DebugID != "", upload, prefixed) + " --validate ./dist"}
	case TooBig:
		return Remedy{"The source map is too big: " + detail + ". Split the bundle, or let larger ones be read.", "TOCSIN_SOURCE_MAP_MB=256 tocsin up"}
	case WrongPlace:
		return Remedy{"The source map has nothing for this line and column: it is of another build than the script that ran. Upload script and map of the same build.", inject + upload + " ./dist"}
	}
	if c.DebugID != "" {
		return Remedy{"Nothing was uploaded with the debug id " + c.DebugID + ". The script was injected: upload it with its map.", upload + " ./dist"}
	}
	return Remedy{"Neither script nor source map was uploaded.", inject + choose(c.Release.Version == "", upload, prefixed) + " ./dist"}
}

func choose(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

func none(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

// urlPrefix is what a file's name is put behind so that it is found: the folder of the script that
// ran, on whatever host.
func urlPrefix(absPath string) string {
	list := Candidates(absPath)
	return path.Dir(list[len(list)-1]) + "/"
}

// quote writes a word for a shell.
func quote(s string) string {
	plain := s != ""
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_./@:+", r) {
			plain = false
		}
	}
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

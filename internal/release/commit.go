package release

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Commit is one change of the code that a release is made of.
type Commit struct {
	ID          string // the hash, up to 64 characters
	Repository  string // name
	Message     string
	AuthorName  string
	AuthorEmail string
	At          time.Time
	Files       []File
}

// File is one file that a commit touched.
type File struct {
	Path string `json:"path"`
	Type string `json:"type"` // A added, M modified, D deleted
}

// What commits may hold.
const (
	MaxCommits      = 5_000 // of one release
	MaxFiles        = 2_000 // of one commit
	MaxMessageBytes = 16 << 10
)

var fixes = regexp.MustCompile(`(?i)\b(?:fix(?:e[sd])?|close[sd]?|resolve[sd]?):?\s+((?:[a-z0-9_-]+-[0-9a-z]+(?:\s*(?:,|&|\band\b)\s*|\s+)?)+)`)

var shortID = regexp.MustCompile(`(?i)\b[a-z0-9_-]+-[0-9a-z]+\b`)

// Fixes lists the short ids, in capitals, of issues that a commit's message says it fixes, as in
// "Fixes SHOP-1A2, SHOP-7".
// Rule: getsentry/sentry src/sentry/utils/groupreference.py
func Fixes(message string) []string {
	message = message[:min(len(message), MaxMessageBytes)]
	var ids []string
	for _, m := range fixes.FindAllStringSubmatch(message, 100) {
		for _, id := range shortID.FindAllString(m[1], 100) {
			if id = strings.ToUpper(id); !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// Frame is a line of code that an event names, as matching against files sees it.
type Frame struct {
	Path  string // file name, or absolute path
	InApp bool
}

// Suspect is a commit that may have caused an issue.
type Suspect struct {
	Commit     Commit
	Path       string  // the file it touched
	Confidence float64 // above 0, at most 1
}

// maxSuspects is how many commits are told.
const maxSuspects = 5

// frameDecay is how much less each further frame tells than the one it was called from.
const frameDecay = 0.75

// Suspects lists the commits that touched a file of the stack, the likeliest first. frames begin
// with the one that failed; those of the program itself count, unless there are none. commits
// begin with the newest. Confidence falls with the distance from the failing frame, with how little
// of the path agrees, and for a file that several of the commits touched.
func Suspects(frames []Frame, commits []Commit) []Suspect {
	if slices.ContainsFunc(frames, func(f Frame) bool { return f.InApp }) {
		frames = slices.DeleteFunc(slices.Clone(frames), func(f Frame) bool { return !f.InApp })
	}
	weights := pathWeights(frames)
	if len(weights) == 0 {
		return nil
	}
	touched := map[string]int{} // commits so far, the newest first, by file
	var list []Suspect
	for _, c := range commits {
		best := Suspect{Commit: c}
		for _, file := range c.Files {
			if file.Type == "D" {
				continue
			}
			newer := touched[file.Path]
			touched[file.Path]++
			for _, w := range weights {
				confidence := w.weight * agreement(w.path, file.Path) / float64(1+newer)
				if confidence > best.Confidence {
					best.Confidence, best.Path = confidence, file.Path
				}
			}
		}
		if best.Confidence > 0 {
			list = append(list, best)
		}
	}
	slices.SortStableFunc(list, func(a, b Suspect) int { return cmp.Compare(b.Confidence, a.Confidence) })
	return list[:min(len(list), maxSuspects)]
}

type pathWeight struct {
	path   string
	weight float64
}

// maxFrames is how deep a stack is looked at.
const maxFrames = 20

func pathWeights(frames []Frame) []pathWeight {
	var list []pathWeight
	weight := 1.0
	for _, f := range frames[:min(len(frames), maxFrames)] {
		p := normalPath(f.Path)
		if p == "" {
			continue
		}
		if !slices.ContainsFunc(list, func(w pathWeight) bool { return w.path == p }) {
			list = append(list, pathWeight{p, weight})
		}
		weight *= frameDecay
	}
	return list
}

// normalPath is a path with forward slashes, without what bundlers and servers put in front of it.
func normalPath(p string) string {
	p = strings.ReplaceAll(p, `\`, "/")
	if _, rest, found := strings.Cut(p, "://"); found { // webpack:///./src/a.js, https://host/src/a.js
		if _, p, found = strings.Cut(rest, "/"); !found {
			return ""
		}
	}
	p, _, _ = strings.Cut(p, "?")
	p = strings.TrimPrefix(path.Clean("/"+strings.TrimPrefix(p, "~")), "/")
	return strings.ToLower(p)
}

// agreement is how surely two paths name one file: 0 when the names differ, 1 when one is the end
// of the other and has a folder, in between by how many folders agree from the end.
func agreement(frame, file string) float64 {
	a, b := strings.Split(frame, "/"), strings.Split(normalPath(file), "/")
	same := 0
	for same < min(len(a), len(b)) && a[len(a)-1-same] == b[len(b)-1-same] {
		same++
	}
	switch shorter := min(len(a), len(b)); {
	case same == 0:
		return 0
	case same == shorter && same > 1:
		return 1
	case same == shorter: // only a name is known of one of them
		return 0.6
	case same == 1:
		return 0.2
	default:
		return 0.3 + 0.6*float64(same)/float64(shorter)
	}
}

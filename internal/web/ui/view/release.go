package view

import (
	"strings"
	"time"
)

// ReleasesPage lists releases.
type ReleasesPage struct {
	Path, Query   string
	Statuses      []Choice
	Hidden        []Choice // what a new search keeps: label is the name of the field
	ShowProject   bool
	Rows          []ReleaseRow
	Newer, Older  string
	Empty         Emptiness
	Reset, Create string // address without search and filters; commands that make a release
}

// ReleaseRow is a release of one project as lists show it.
type ReleaseRow struct {
	Href, Version, Short, Package string
	Project, ProjectHref          string
	Archived                      bool
	Environments                  []string
	CreatedAt, ReleasedAt         time.Time // zero: it is not finalized
	FirstSeen, LastSeen           time.Time // of its events; zero: none came
	Events, NewIssues, Regressed  int64
	Commits, Deploys, Files       int64
	Adoption                      Adoption
	NewHref, RegressedHref        string
}

// Adoption is how far a release is in use.
type Adoption struct {
	Word, Class string // empty: no events came
	Percent     int    // of the events of the project's releases in use
	Words       string
}

// ReleaseHead is what every page of a release begins with.
type ReleaseHead struct {
	ReleaseRow
	Action, Here  string
	Older, Newer  string // addresses of the project's releases around it
	Tabs          []Link
	CanWrite      bool
	Elsewhere     []Link // the same release in other projects
	IssuesHref    string
	CompareHref   string
	ArtifactsHref string
	Ref, URL      string
	Owner         string
}

// ReleasePage is one release.
type ReleasePage struct {
	ReleaseHead
	New, Regressed, Resolved []Row
	Deploys                  []DeployLine
	Authors                  []CommitAuthor
}

// DeployLine is one roll-out of a release.
type DeployLine struct {
	Environment, Name, URL string
	StartedAt, FinishedAt  time.Time
}

// CommitAuthor is who wrote commits of a release.
type CommitAuthor struct {
	Name, Email string
}

// ReleaseCommitsPage lists the commits of a release.
type ReleaseCommitsPage struct {
	ReleaseHead
	Commits      []CommitLine
	Newer, Older string
	Command      string // that tells the commits
}

// CommitLine is one commit.
type CommitLine struct {
	ID, Short, Title, Rest, Author, Email, Repository string
	At                                                time.Time
	Files                                             int
	Fixes                                             []Link
}

// ReleaseArtifactsPage is what was uploaded for a release, with the checker.
type ReleaseArtifactsPage struct {
	ReleaseHead
	Query        string
	Files        []ReleaseFile
	Newer, Older string
	Upload       string
	Check        ReleaseCheck
	UploadsHref  string
}

// ReleaseFile is one uploaded file.
type ReleaseFile struct {
	ArtifactLine
	Dist, BundleHref string
}

// ReleaseCheck is a frame or an event that somebody asks about, and the answer.
type ReleaseCheck struct {
	FrameCheck
	EventHref, EventRelease string
	Frames                  []Diagnosis // of the event, the failing one first
	Good                    int
}

// ReleaseComparePage tells two releases apart.
type ReleaseComparePage struct {
	ReleaseHead
	With    string
	Others  []string // versions to choose from
	Problem string
	Other   *ReleaseRow // nil: none is chosen
	Parts   []ComparedPart
	Commits []CommitLine // of the newer one
}

// ComparedPart is issues under a heading.
type ComparedPart struct {
	ID, Title, About string
	Count            int64
	Issues           []ComparedRow
}

// ComparedRow is an issue with how often each release saw it.
type ComparedRow struct {
	Row
	Here, There int64
}

// later is the first of two moments that is known.
func later(t, other time.Time) time.Time {
	if t.IsZero() {
		return other
	}
	return t
}

// took is how long a deploy ran; empty when its start is not known.
func took(from, to time.Time) string {
	if from.IsZero() || to.Before(from) {
		return ""
	}
	return to.Sub(from).Round(time.Second).String()
}

// isWeb reports whether an address that somebody gave leads to a page.
func isWeb(address string) bool {
	return strings.HasPrefix(address, "https://") || strings.HasPrefix(address, "http://")
}

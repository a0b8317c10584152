package view

import "time"

// ArtifactsPage is what was uploaded to make JavaScript readable.
type ArtifactsPage struct {
	SettingsHead
	Query, Upload string // what is looked for; how to upload
	Bundles       []BundleLine
	Newer, Older  string
	Check         FrameCheck
	MayDelete     bool
}

// BundleLine is one upload.
type BundleLine struct {
	ID, Name, Href string
	Releases       []string
	Files          int
	Size           int64
	At             time.Time
}

// FrameCheck is a frame that somebody asks about, and the answer.
type FrameCheck struct {
	Frame, Release, Dist, DebugID string
	Problem                       string
	Answer                        *Diagnosis // nil: nothing was asked
}

// Diagnosis says of a frame whether it is resolved, else why not and what mends it.
type Diagnosis struct {
	Frame, Where string
	Good         bool // it is resolved
	Other        bool // nothing is ever uploaded for such a frame
	Text         string
	Command      string
	Detail       string
	DebugID      string
	Resolved     string // what it is then
	Files        []UploadFact
}

// UploadFact is an uploaded file that an answer rests on.
type UploadFact struct {
	Label, URL string
	Notes      []string
}

// BundlePage is the files of one upload.
type BundlePage struct {
	SettingsHead
	Bundle       BundleLine
	Files        []ArtifactLine
	Newer, Older string
}

// ArtifactLine is one file of an upload.
type ArtifactLine struct {
	URL, DebugID, Sourcemap, Kind string
	Size                          int64
}

// DebugFilesPage is what was uploaded to make native and JVM stacks readable.
type DebugFilesPage struct {
	SettingsHead
	Query, Upload string
	Files         []DebugFileLine
	Newer, Older  string
	MayDelete     bool
}

// DebugFileLine is one debug file.
type DebugFileLine struct {
	ID, DebugID, CodeID, Name, CPU, Kind, Features string
	Size                                           int64
	At                                             time.Time
}

// JobsPage is the work on a project that outgrows one request.
type JobsPage struct {
	SettingsHead
	Problem      string
	Jobs         []JobLine
	Newer, Older string
	Here         string
	Going        bool // some are not over
	MayStart     bool
}

// JobLine is one job.
type JobLine struct {
	ID, Name, About, State, Who string
	Project, Form               string // whose it is, where it is not told otherwise, and the address of its jobs
	Done, Total                 int64
	Going, Cancellable          bool
	Problem, Result, Download   string
	Undo                        *Undo
	At, FinishedAt              time.Time
}

// Class is the look of the state's badge.
func (j JobLine) Class() string {
	switch j.State {
	case "done":
		return "st-ok"
	case "failed":
		return "st-bad"
	case "cancelled":
		return "st-quiet"
	}
	return "st-wait"
}

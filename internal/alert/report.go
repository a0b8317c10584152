package alert

import (
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Report is what happened in an organization's projects in a week.
type Report struct {
	From     time.Time     `json:"from"`
	To       time.Time     `json:"to"`
	Projects []ProjectWeek `json:"projects"` // those with most events first, at most MaxReportProjects
	More     int           `json:"more,omitempty"`
}

// MaxReportProjects is how many projects a report lists, MaxReportIssues how many issues of each.
const (
	MaxReportProjects = 20
	MaxReportIssues   = 3
)

// ProjectWeek is a project's part of a report.
type ProjectWeek struct {
	Project   int64         `json:"project"`
	Slug      string        `json:"slug"`
	Name      string        `json:"name"`
	Events    int64         `json:"events"`
	Before    int64         `json:"before"` // events of the week before
	New       int64         `json:"new"`    // issues
	Regressed int64         `json:"regressed"`
	Resolved  int64         `json:"resolved"`
	Top       []ReportIssue `json:"top"` // issues with most events first
}

// ReportIssue is one issue of a report.
type ReportIssue struct {
	ShortID string `json:"short_id"`
	Title   string `json:"title"`
	Events  int64  `json:"events"` // in the week
	New     bool   `json:"new"`
}

// Silent reports whether nothing happened that is worth a line.
func (w *ProjectWeek) Silent() bool { return w.Events+w.Before+w.New+w.Regressed+w.Resolved == 0 }

// ReportTime is when weekly reports are sent: a day of the week and a time of day, in UTC.
type ReportTime struct {
	Day time.Weekday
	At  time.Duration // since midnight
}

// reportForm is how a ReportTime is written.
const reportForm = "Mon 15:04"

// ParseReportTime reads "Mon 08:00". fault.Invalid: it is something else.
func ParseReportTime(text string) (t ReportTime, err error) {
	day, clock, _ := strings.Cut(strings.TrimSpace(text), " ")
	at, err := time.Parse("15:04", clock)
	for d := time.Sunday; d <= time.Saturday; d++ {
		if err == nil && strings.EqualFold(d.String()[:3], day) {
			return ReportTime{d, time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute}, nil
		}
	}
	return t, fault.New(fault.Invalid, "the time of weekly reports is a day and a time, such as %s", reportForm)
}

// Last is the latest moment up to now at which a report was due.
func (t ReportTime) Last(now time.Time) time.Time {
	now = now.UTC()
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	due := midnight.AddDate(0, 0, int(t.Day-now.Weekday())).Add(t.At)
	if due.After(now) {
		due = due.AddDate(0, 0, -7)
	}
	return due
}

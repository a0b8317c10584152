package account

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Team is a group of an organization's members that looks after projects.
type Team struct {
	ID          int64
	Slug        string
	Name        string
	ExternalID  string // at the identity provider; may be empty
	CreatedAt   time.Time
	MemberCount int
	Projects    []int64
	Mine        bool // the caller belongs to it
	MyRole      TeamRole
}

// TeamRole is what a member may do in a team.
type TeamRole string

// The roles in a team.
const (
	TeamContributor TeamRole = "contributor"
	TeamAdminRole   TeamRole = "admin"
)

// Valid reports whether the role is one we know.
func (r TeamRole) Valid() bool { return r == TeamContributor || r == TeamAdminRole }

var slugForm = regexp.MustCompile(`^[a-z0-9_-]*[a-z_-][a-z0-9_-]*$`)

// CheckSlug reports as fault.Invalid why a slug of a team or an organization cannot be one.
func CheckSlug(slug string) error {
	if len(slug) > 50 || !slugForm.MatchString(slug) {
		return fault.New(fault.Invalid, "A slug has 1 to 50 of a-z, 0-9, _ and -, and is not a number.")
	}
	return nil
}

// CheckName reports as fault.Invalid why a name shown to people cannot be one.
func CheckName(name string) error {
	if n := utf8.RuneCountInString(name); strings.TrimSpace(name) == "" || n > 64 || strings.ContainsAny(name, "\x00\r\n") {
		return fault.New(fault.Invalid, "A name has 1 to 64 characters.")
	}
	return nil
}

// Slugify makes a slug of a name; it may come out empty.
func Slugify(name string) string {
	var b strings.Builder
	dash := false
	for _, c := range strings.ToLower(name) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' {
			b.WriteRune(c)
			dash = false
		} else if b.Len() > 0 && !dash {
			b.WriteByte('-')
			dash = true
		}
	}
	slug := strings.Trim(b.String(), "-")
	return strings.Trim(slug[:min(len(slug), 50)], "-")
}

// Sees reports whether the principal may see a project of its organization.
func (p *Principal) Sees(project int64) bool {
	return p.Projects == nil || slices.Contains(p.Projects, project)
}

// Narrow keeps of the projects in reach those that are listed too; nil lists leave it as it is.
func Narrow(reach, to []int64) []int64 {
	switch {
	case to == nil:
		return reach
	case reach == nil:
		return to
	}
	out := []int64{}
	for _, id := range reach {
		if slices.Contains(to, id) {
			out = append(out, id)
		}
	}
	return out
}

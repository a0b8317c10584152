package quota

import (
	"regexp"
	"slices"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// Quota is a ceiling on what is accepted of some categories. Each organization, project or key it
// applies to has a count of its own.
// Rule: getsentry/relay relay-quotas/src/quota.rs
type Quota struct {
	ID         string             `json:"id"`         // names the count, within what the quota is a setting of
	Categories []outcome.Category `json:"categories"` // empty is every category, only with a limit of 0
	Scope      Scope              `json:"scope"`
	ScopeID    int64              `json:"scope_id,omitempty"` // the one instance it applies to; 0 is each
	Limit      int64              `json:"limit"`              // in a window; 0 refuses everything
	Window     time.Duration      `json:"window,omitempty"`   // whole seconds; 0 only with a limit of 0
	Reason     string             `json:"reason"`
}

// Bounds on quotas.
const (
	MaxQuotas = 50 // of one project or organization
	maxLimit  = 1 << 50
	maxWindow = 31 * 24 * time.Hour
)

var word = regexp.MustCompile(`^[a-z0-9_-]{1,40}$`)

// Bytes reports whether quantities of a category are bytes rather than items.
func Bytes(c outcome.Category) bool { return c == outcome.Attachment || c == outcome.LogByte }

// Validate reports why q cannot be enforced. fault.Invalid.
func (q Quota) Validate() error {
	mixed := func(c outcome.Category) bool { return Bytes(c) != Bytes(q.Categories[0]) }
	switch {
	case !word.MatchString(q.ID):
		return fault.New(fault.Invalid, "a quota's id has 1 to 40 of a-z, 0-9, _ and -")
	case !word.MatchString(q.Reason):
		return fault.New(fault.Invalid, "a quota's reason has 1 to 40 of a-z, 0-9, _ and -")
	case q.Scope != ScopeOrganization && q.Scope != ScopeProject && q.Scope != ScopeKey:
		return fault.New(fault.Invalid, "a quota's scope is organization, project or key")
	case q.Limit < 0 || q.Limit > maxLimit:
		return fault.New(fault.Invalid, "a quota's limit is 0 to %d", int64(maxLimit))
	case slices.ContainsFunc(q.Categories, func(c outcome.Category) bool { return c < 0 || c.String() == "unknown" }):
		return fault.New(fault.Invalid, "a quota names a category that there is not")
	case q.Limit == 0:
		return nil
	case len(q.Categories) == 0:
		return fault.New(fault.Invalid, "a quota with a limit above 0 names its categories")
	case slices.ContainsFunc(q.Categories, mixed):
		return fault.New(fault.Invalid, "a quota counts items or bytes, not both")
	case q.Window < time.Second || q.Window > maxWindow || q.Window%time.Second != 0:
		return fault.New(fault.Invalid, "a quota's window has 1 to %d seconds", int(maxWindow/time.Second))
	}
	return nil
}

// Has reports whether q limits c.
func (q Quota) Has(c outcome.Category) bool {
	return len(q.Categories) == 0 || slices.Contains(q.Categories, c)
}

// Package project owns organizations, projects and client keys, and the snapshot of them that
// ingest and the processor work from without asking a database.
package project

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/quota"
)

// ID identifies a project; it is the number at the end of a DSN.
type ID = int64

// Organization owns projects and members.
type Organization struct {
	ID        int64
	Slug      string
	Name      string
	CreatedAt time.Time
}

// Project is what one code base reports to.
type Project struct {
	ID             ID
	OrganizationID int64
	Organization   string // slug
	Slug           string
	Name           string
	Platform       string
	Settings       Settings
	FirstEventAt   *time.Time
	CreatedAt      time.Time
}

// Settings are what a project's members may change. The zero value is the default.
type Settings struct {
	// AllowedOrigins lists what may send from a browser; nil allows every origin.
	// Rule: getsentry/relay relay-server/src/services/projects/project/info.rs
	AllowedOrigins []string `json:"allowed_origins,omitempty"`
	// Filters is filter.Settings, Scrubbing scrub.Settings; absent: those of a new project.
	Filters   json.RawMessage `json:"filters,omitempty"`
	Scrubbing json.RawMessage `json:"scrubbing,omitempty"`
	// Grouping is grouping.Settings; absent: that of a new project.
	Grouping  json.RawMessage `json:"grouping,omitempty"`
	Retention Retention       `json:"retention,omitzero"`
	// ResolveAge is after how many hours without an event an issue is resolved; 0: never.
	ResolveAge int64 `json:"resolve_age,omitempty"`
	// Quotas limit what is accepted, in scopes project and key.
	Quotas []quota.Quota `json:"quotas,omitempty"`
	// Spikes is set when an hour may have only so many errors more than usual.
	Spikes *SpikeProtection `json:"spikes,omitempty"`
}

// SpikeProtection is the ceiling that follows what a project usually sends.
// Rule: quota.SpikeCeiling.
type SpikeProtection struct {
	HourlyLimit int64     `json:"hourly_limit,omitempty"` // 0: none yet
	MeasuredAt  time.Time `json:"measured_at,omitzero"`
}

// Retention says which events of a project are kept, and for how long. Whatever is not kept was
// counted all the same. The zero value keeps all for as long as the installation does.
type Retention struct {
	Days int `json:"days,omitempty"` // 0: those of the installation, which is also the most
	// Of an issue's events the first KeepFirst are kept, and of what repeats after them one in
	// KeepOneIn; 0 or 1 keeps all. The rule in full: postgres.Thinning.
	KeepFirst int64 `json:"keep_first,omitempty"`
	KeepOneIn int64 `json:"keep_one_in,omitempty"`
}

// The bounds of a retention.
const (
	MaxRetentionDays = 3650
	MinKeepFirst     = 100 // so that all of a new issue is kept
	MaxKeepOneIn     = 1000
)

// Validate checks the bounds. fault.Invalid: one does not hold.
func (r Retention) Validate() error {
	switch {
	case r.Days < 0 || r.Days > MaxRetentionDays:
		return fault.New(fault.Invalid, "days must be between 1 and %d, or 0 for those of the installation", MaxRetentionDays)
	case r.KeepOneIn < 0 || r.KeepOneIn > MaxKeepOneIn:
		return fault.New(fault.Invalid, "keepOneIn must be between 1, which keeps all, and %d", MaxKeepOneIn)
	case r.KeepOneIn > 1 && r.KeepFirst < MinKeepFirst:
		return fault.New(fault.Invalid, "keepFirst must be %d or more", MinKeepFirst)
	}
	return nil
}

// OrganizationSettings are what an organization's owners may change. The zero value is the default.
type OrganizationSettings struct {
	// Quotas limit what is accepted by all projects, in every scope.
	Quotas []quota.Quota `json:"quotas,omitempty"`
	// ClosedMembership keeps members below manager to the projects of their teams.
	ClosedMembership bool `json:"closed_membership,omitempty"`
	// RequireSecondFactor turns away members who sign in with a password alone.
	RequireSecondFactor bool `json:"require_second_factor,omitempty"`
	// DefaultRole is what an invite promises that names no role; empty: member.
	DefaultRole string `json:"default_role,omitempty"`
}

// Key is one client key: what a DSN carries.
type Key struct {
	ID        int64
	Project   ID
	PublicKey string // 32 lower-case hex digits
	SecretKey string
	Label     string
	Active    bool
	RateLimit *RateLimit
	CreatedAt time.Time
}

// RateLimit is a ceiling on accepted events of a key.
type RateLimit struct {
	Count  int           `json:"count"`
	Window time.Duration `json:"window"`
}

// Snapshot is all that ingest and the processor know of a project: the value of one entry of the project
// configuration bucket, whose key is the project's id in decimal.
type Snapshot struct {
	Project      ID            `json:"project"`
	Organization int64         `json:"organization"`
	Slug         string        `json:"slug"`
	Settings     Settings      `json:"settings"`
	Quotas       []quota.Quota `json:"quotas,omitempty"` // of the organization
	Keys         []SnapshotKey `json:"keys"`
	// Artifacts grows with each change of what was uploaded to make stacks readable; 0: nothing was.
	Artifacts int64 `json:"artifacts,omitempty"`
}

// SnapshotKey is a client key as ingest sees it; inactive keys are included so that they can be
// told from unknown ones in outcomes.
type SnapshotKey struct {
	ID        int64      `json:"id"`
	PublicKey string     `json:"public_key"`
	Active    bool       `json:"active"`
	RateLimit *RateLimit `json:"rate_limit,omitempty"`
}

// shortDigits is Crockford's base 32, which leaves out letters that read like digits.
const shortDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// ShortID names an issue for people: the project's slug in capitals and the number in
// base 32, such as "CHECKOUT-1F2".
func ShortID(slug string, number int64) string {
	var buf [16]byte
	i := len(buf)
	for {
		i--
		buf[i] = shortDigits[number&31]
		if number >>= 5; number == 0 {
			break
		}
	}
	return strings.ToUpper(slug) + "-" + string(buf[i:])
}

// ParseShortID splits a short id into a project slug in lower case and an issue number. Letters
// that people mistype for digits are read as those digits. ok is false when s is not a short id.
func ParseShortID(s string) (slug string, number int64, ok bool) {
	dash := strings.LastIndexByte(s, '-')
	if dash <= 0 || dash == len(s)-1 || len(s)-dash > 13 {
		return "", 0, false
	}
	for _, c := range strings.ToUpper(s[dash+1:]) {
		switch c {
		case 'O':
			c = '0'
		case 'I', 'L':
			c = '1'
		}
		digit := strings.IndexRune(shortDigits, c)
		if digit < 0 {
			return "", 0, false
		}
		number = number<<5 | int64(digit)
	}
	return strings.ToLower(s[:dash]), number, true
}

package account

import (
	"net/mail"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Member is a user's place in an organization, or an invite to one.
type Member struct {
	ID          int64 // of the user; of the invite while it is pending
	User        *User // nil while the invite is pending
	Email       string
	Role        Role
	Active      bool
	Provisioned bool // kept by an identity provider
	ExternalID  string
	CreatedAt   time.Time
	Teams       []TeamPlace
	HasFactor   bool // signs in with a second factor
	HasSSO      bool // has an identity at the organization's provider
	LastUsedAt  *time.Time

	// While it is an invite:
	Pending   bool
	ExpiresAt time.Time
	InvitedBy string // address; may be empty
}

// Expired reports whether an invite can no longer be accepted.
func (m *Member) Expired(now time.Time) bool { return m.Pending && !now.Before(m.ExpiresAt) }

// TeamPlace is a member's place in one team.
type TeamPlace struct {
	Team int64
	Slug string
	Role TeamRole
}

// How long links stay good.
const (
	InviteFor = 7 * 24 * time.Hour
	ResetFor  = time.Hour
)

// CheckEmail returns an address trimmed. fault.Invalid: it is none.
func CheckEmail(text string) (string, error) {
	text = strings.TrimSpace(text)
	a, err := mail.ParseAddress(text)
	if err != nil || a.Address != text || len(text) > 254 || strings.ContainsAny(text, "\r\n\x00") {
		return "", fault.New(fault.Invalid, "Enter a valid email address.")
	}
	return text, nil
}

// LoginMethod is how a browser signed in.
type LoginMethod string

// The methods.
const (
	LoginPassword LoginMethod = "password"
	LoginPasskey  LoginMethod = "passkey"
	LoginSSO      LoginMethod = "sso"
	LoginInvite   LoginMethod = "invite"
)

// Login is one browser that is signed in.
type Login struct {
	ID           int64
	User         int64
	Method       LoginMethod
	Organization int64 // not 0: only there, because its provider vouched for the user
	Address      string
	UserAgent    string
	CreatedAt    time.Time
	LastSeenAt   time.Time
}

package account

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
)

// TokenKind is whom a token speaks for.
type TokenKind string

// The kinds of token.
const (
	TokenUser         TokenKind = "user"         // a member, in one organization
	TokenOrganization TokenKind = "organization" // the organization's own, for build machines
	TokenProject      TokenKind = "project"      // the organization's own, for some projects
	TokenSCIM         TokenKind = "scim"         // the organization's identity provider
)

// userTokenPrefix begins the tokens of users; 64 hexadecimal digits follow.
// Rule: getsentry/sentry src/sentry/types/token.py
const userTokenPrefix = "sntryu_"

// maxTokenBytes bounds what is hashed for a lookup; organization tokens carry a URL.
const maxTokenBytes = 2048

// Token is an API token as it is stored: the secret itself is not.
type Token struct {
	ID             int64
	Organization   int64
	User           int64 // 0: the organization's own
	Kind           TokenKind
	Projects       []int64 // nil: every project in reach
	CreatedBy      int64   // user
	Creator        string  // address of CreatedBy; may be empty
	Name           string
	LastCharacters string // of the secret, for people to tell tokens apart
	Scopes         Scopes
	CreatedAt      time.Time
	ExpiresAt      *time.Time
	LastUsedAt     *time.Time
}

// NewUserToken returns a secret with 256 random bits.
func NewUserToken() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return userTokenPrefix + hex.EncodeToString(b[:])
}

// NewOrganizationToken returns a secret in the form that clients read the organization and the
// address of the installation from: sntrys_, base64 of a JSON document, _ and 256 random bits.
// Rule: getsentry/rfcs text/0091-ci-upload-tokens.md
func NewOrganizationToken(org, baseURL string, now time.Time) string {
	doc, _ := json.Marshal(map[string]any{ // strings and a number
		"iat": float64(now.UnixMicro()) / 1e6, "url": baseURL, "region_url": baseURL, "org": org,
	})
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return "sntrys_" + base64.StdEncoding.EncodeToString(doc) + "_" + base64.RawStdEncoding.EncodeToString(b[:])
}

// NewLinkToken returns the secret of a link that is good once, such as an invite's.
func NewLinkToken() string { return strings.ToLower(rand.Text() + rand.Text()) }

// HashToken is the form a token is stored and looked up in: 256 random bits need no slow hash.
func HashToken(token string) [sha256.Size]byte { return sha256.Sum256([]byte(token)) }

// LastCharacters is what may be shown of a token after it was made.
func LastCharacters(token string) string { return token[max(0, len(token)-4):] }

// BearerToken reads the token of an Authorization header; empty when there is none.
func BearerToken(header string) string {
	scheme, token, _ := strings.Cut(header, " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || len(token) > maxTokenBytes {
		return ""
	}
	return token
}

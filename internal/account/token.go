package account

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
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

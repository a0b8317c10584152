package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/sync/semaphore"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// The cost of one password check.
// Rule: https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
const (
	argonMemory  = 19 << 10 // KiB
	argonTime    = 2
	argonThreads = 1
	saltBytes    = 16
	keyBytes     = 32
)

// Bounds of what is hashed and of the cost a stored hash may ask for.
const (
	MinPasswordLength = 8 // characters
	MaxPasswordBytes  = 1024
	maxArgonMemory    = 256 << 10 // KiB
	maxArgonTime      = 16
)

// checks limits how many passwords are hashed at a time, so that a rush of sign-ins cannot use up
// memory: each holds argonMemory.
var checks = semaphore.NewWeighted(int64(max(2, runtime.GOMAXPROCS(0))))

// absent is what a password is compared with when there is no such user, so that the answer takes
// as long as for one.
var absent = phc{memory: argonMemory, time: argonTime, threads: argonThreads, salt: make([]byte, saltBytes), key: make([]byte, keyBytes)}

type phc struct {
	memory, time uint32
	threads      uint8
	salt, key    []byte
}

// ValidatePassword reports as fault.Invalid why a password cannot be chosen.
func ValidatePassword(password string) error {
	if utf8.RuneCountInString(password) < MinPasswordLength || len(password) > MaxPasswordBytes {
		return fault.New(fault.Invalid, "a password has at least %d characters and at most %d bytes", MinPasswordLength, MaxPasswordBytes)
	}
	return nil
}

// HashPassword returns a PHC string for a password that ValidatePassword accepts.
func HashPassword(ctx context.Context, password string) (string, error) {
	if err := ValidatePassword(password); err != nil {
		return "", err
	}
	p := absent
	p.salt = make([]byte, saltBytes)
	_, _ = rand.Read(p.salt) // never fails
	key, err := p.derive(ctx, password)
	if err != nil {
		return "", err
	}
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.time, p.threads,
		enc.EncodeToString(p.salt), enc.EncodeToString(key)), nil
}

// VerifyPassword reports whether password made hash, and whether the hash should be made anew
// because the cost has grown. An empty hash, for a user who does not exist, takes as long and
// never matches.
func VerifyPassword(ctx context.Context, hash, password string) (ok, stale bool, err error) {
	if len(password) > MaxPasswordBytes {
		return false, false, nil
	}
	p, known := absent, false
	if hash != "" {
		if p, known = parsePHC(hash); !known {
			return false, false, fault.New(fault.Internal, "a stored password hash is malformed")
		}
	}
	key, err := p.derive(ctx, password)
	if err != nil {
		return false, false, err
	}
	ok = subtle.ConstantTimeCompare(key, p.key) == 1 && known
	return ok, ok && (p.memory < argonMemory || p.time < argonTime), nil
}

func (p phc) derive(ctx context.Context, password string) ([]byte, error) {
	if err := checks.Acquire(ctx, 1); err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "too many sign-ins at once")
	}
	defer checks.Release(1)
	return argon2.IDKey([]byte(password), p.salt, p.time, p.memory, p.threads, uint32(len(p.key))), nil
}

// parsePHC reads $argon2id$v=19$m=…,t=…,p=…$salt$key.
// Rule: https://github.com/P-H-C/phc-string-format/blob/master/phc-sf-spec.md
func parsePHC(s string) (p phc, ok bool) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != "v=19" {
		return p, false
	}
	var m, t, threads uint32
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &m, &t, &threads); n != 3 || err != nil {
		return p, false
	}
	var err1, err2 error
	p.salt, err1 = base64.RawStdEncoding.DecodeString(parts[4])
	p.key, err2 = base64.RawStdEncoding.DecodeString(parts[5])
	p.memory, p.time, p.threads = m, t, uint8(threads)
	return p, err1 == nil && err2 == nil && m >= 8 && m <= maxArgonMemory && t >= 1 && t <= maxArgonTime &&
		threads >= 1 && threads <= 8 && len(p.salt) >= 8 && len(p.key) >= 16 && len(p.key) <= 64
}

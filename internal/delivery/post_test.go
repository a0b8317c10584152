package delivery

import (
	"testing"
	"time"
)

// FuzzRetryAfter: whatever a destination asks for, the wait stays within a day.
func FuzzRetryAfter(f *testing.F) {
	for _, v := range []string{"", "0", "120", "-5", "1e9", "NaN", "99999999999", "Fri, 31 Dec 2027 23:59:59 GMT", "soon"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if d := retryAfter(value, time.Now()); d < 0 || d > 24*time.Hour {
			t.Errorf("%q: %v", value, d)
		}
	})
}

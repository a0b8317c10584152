package quota_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/quota"
)

func TestHeaderIsWrittenAsClientsReadIt(t *testing.T) {
	t.Parallel()
	for want, limits := range map[string][]quota.Limit{
		"":                   nil,
		"60:transaction:key": {{After: time.Minute, Categories: []outcome.Category{outcome.Transaction}, Scope: quota.ScopeKey}},
		"61:default;error;security:organization:quota_exceeded": {{After: 60100 * time.Millisecond, Scope: quota.ScopeOrganization,
			Categories: []outcome.Category{outcome.Default, outcome.Error, outcome.Security}, Reason: "quota_exceeded"}},
		"60::organization": {{After: time.Minute, Scope: quota.ScopeOrganization}},
		"300:metric_bucket:organization:quota_exceeded:custom": {{After: 2700 * time.Second, Scope: quota.ScopeOrganization,
			Categories: []outcome.Category{outcome.MetricBucket}, Reason: "quota_exceeded", Namespaces: []string{"custom"}}},
		"1::key, 2:error:project:x": {{Scope: quota.ScopeKey},
			{After: 2 * time.Second, Categories: []outcome.Category{outcome.Error}, Scope: quota.ScopeProject, Reason: "x"}},
	} {
		if got := quota.FormatHeader(limits); got != want {
			t.Errorf("want %q, got %q", want, got)
		}
	}
}

func TestParseHeaderSkipsWhatItCannotRead(t *testing.T) {
	t.Parallel()
	minute := quota.Limit{After: time.Minute, Scope: quota.ScopeKey}
	for in, want := range map[string][]quota.Limit{
		"60::key":             {minute},
		" 60::key:: :x:y:z ":  {minute},
		"x:error:key,60::key": {minute},
		"60":                  nil,
		"-1::key":             nil,
		"NaN::key":            nil,
		"59.5::key":           {minute},
		"60:nonsense:key":     nil,
		"60:nonsense;error:key:why": {{After: time.Minute, Categories: []outcome.Category{outcome.Error},
			Scope: quota.ScopeKey, Reason: "why"}},
	} {
		if diff := cmp.Diff(want, quota.ParseHeader(in)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", in, diff)
		}
	}
}

// FuzzParseHeader: what was read is written so that it reads the same again.
func FuzzParseHeader(f *testing.F) {
	f.Add("60:transaction:key, 2700:default;error;security:organization:quota_exceeded")
	f.Add("60::organization, 5:metric_bucket:organization:quota_exceeded:custom;spans:x:y")
	f.Fuzz(func(t *testing.T, s string) {
		limits := quota.ParseHeader(s)
		for i := range limits {
			limits[i].After = time.Duration(quota.Seconds(limits[i].After)) * time.Second
		}
		if diff := cmp.Diff(limits, quota.ParseHeader(quota.FormatHeader(limits))); diff != "" {
			t.Errorf("%q (-first +again):\n%s", s, diff)
		}
	})
}

func TestNoKeySpendsMoreThanBurstPlusRate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1_800_000_000, 0)
		limiter, err := quota.NewLimiter(10, func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		rate := quota.Rate{Count: rapid.IntRange(1, 50).Draw(t, "count"), Window: time.Duration(rapid.IntRange(1, 3600).Draw(t, "seconds")) * time.Second}
		start, spent := now, 0
		for range rapid.IntRange(1, 300).Draw(t, "attempts") {
			n := rapid.IntRange(1, 3).Draw(t, "n")
			after, ok := limiter.Allow("key", rate, n)
			if ok {
				spent += n
			} else if after <= 0 {
				t.Fatalf("refused without saying until when")
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "ms")) * time.Millisecond)
			allowed := float64(rate.Count) * (1 + now.Sub(start).Seconds()/rate.Window.Seconds())
			if float64(spent) > allowed+1e-6 {
				t.Fatalf("spent %d, allowed %.3f", spent, allowed)
			}
		}
	})
}

func TestRefusalEndsWhenItSays(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	limiter, err := quota.NewLimiter(10, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	rate := quota.Rate{Count: 2, Window: time.Minute}
	for range 2 {
		if _, ok := limiter.Allow("a", rate, 1); !ok {
			t.Fatal("want the burst allowed")
		}
	}
	after, ok := limiter.Allow("a", rate, 1)
	if ok || after != 30*time.Second {
		t.Fatalf("want refused for 30s, got %s %t", after, ok)
	}
	if _, ok := limiter.Allow("b", rate, 1); !ok {
		t.Fatal("want another key unaffected")
	}
	now = now.Add(after)
	if _, ok := limiter.Allow("a", rate, 1); !ok {
		t.Fatal("want allowed after the time it said")
	}
	if _, ok := limiter.Allow("a", quota.Rate{}, 1); ok {
		t.Fatal("want a zero rate to allow nothing")
	}
}

func BenchmarkAllow(b *testing.B) {
	limiter, err := quota.NewLimiter(1000, nil)
	if err != nil {
		b.Fatal(err)
	}
	rate := quota.Rate{Count: 1 << 30, Window: time.Hour}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := limiter.Allow("key", rate, 1); !ok {
			b.Fatal("refused")
		}
	}
}

package alert

import (
	"math"
	"strconv"
	"time"
)

// The channels. Each has a package under internal/delivery.
const (
	ChannelWebhook    = "webhook"
	ChannelEmail      = "email"
	ChannelSlack      = "slack"
	ChannelDiscord    = "discord"
	ChannelTeams      = "teams"
	ChannelMattermost = "mattermost"
	ChannelTelegram   = "telegram"
	ChannelGoogleChat = "googlechat"
	ChannelNtfy       = "ntfy"
	ChannelPagerDuty  = "pagerduty"
	ChannelOpsgenie   = "opsgenie"
	// ChannelLoopback takes what heartbeats tell; it is not offered to people.
	ChannelLoopback = "loopback"
)

// Destination is where alerts of an organization's projects can go.
type Destination struct {
	Organization int64
	ID           int64
	Channel      string
	Name         string
	// Target is what lists and logs show of it: scheme, host and port, a channel, never a path,
	// which often carries a secret.
	Target   string
	Settings string // the channel's own, sealed
	Paused   bool
	Noise    Noise

	CreatedBy int64
	CreatedAt time.Time
	UpdatedAt time.Time
	Health    Health
}

// Noise bounds how many messages a destination gets.
type Noise struct {
	// Budget is how many alerts in a row come as messages of their own; it grows back by one each
	// DigestMin. Further ones are told together. Zero: every alert is a message.
	Budget int
	// A digest waits DigestMin, and 30 seconds more for each further batch, up to DigestMax.
	DigestMin, DigestMax time.Duration
}

// Bounds and defaults of Noise.
const (
	DefaultBudget    = 3
	MaxBudget        = 1000
	DefaultDigestMin = 5 * time.Minute
	DefaultDigestMax = 15 * time.Minute
	MinDigest        = time.Minute
	MaxDigest        = time.Hour
	digestStep       = 30 * time.Second
)

// DefaultNoise is what destinations start with; PersonalNoise is what people's mail has, where only
// the first alert comes alone.
// Rule: getsentry/sentry src/sentry/digests (minimum and maximum delay)
var (
	DefaultNoise  = Noise{DefaultBudget, DefaultDigestMin, DefaultDigestMax}
	PersonalNoise = Noise{1, DefaultDigestMin, 30 * time.Minute}
)

// Health is how a destination fared.
type Health struct {
	Failures       int        // in a row
	FailingSince   *time.Time // nil: it is well
	OpenUntil      *time.Time // nothing is sent before
	LastSentAt     *time.Time
	LastFailedAt   *time.Time
	LastError      string
	DisabledAt     *time.Time // it failed for too long, or said that it is gone
	DisabledReason string
}

// Lane names the queue of a destination.
func (d *Destination) Lane() string { return DestinationLane(d.ID) }

// DestinationLane names the queue of a destination, PersonLane that of somebody's mail.
func DestinationLane(id int64) string { return "d" + strconv.FormatInt(id, 10) }

// PersonLane names the queue of a user's own messages.
func PersonLane(user int64) string { return "u" + strconv.FormatInt(user, 10) }

// The breaker of a lane: after breakAfter failures in a row it opens for breakFirst, twice as long
// after each further one, up to breakMost; then one message tries.
const (
	BreakAfter = 5
	breakFirst = 15 * time.Second
	breakMost  = 10 * time.Minute
	// DisableAfter is how long a destination may fail before it is switched off, with a notice.
	DisableAfter = 72 * time.Hour
)

// BreakFor is how long nothing is sent to a lane that failed so many times in a row; zero: it goes on.
func BreakFor(failures int) time.Duration {
	if failures < BreakAfter {
		return 0
	}
	return time.Duration(min(float64(breakFirst)*math.Pow(2, float64(min(failures-BreakAfter, 16))), float64(breakMost)))
}

// Tokens is the budget that is left of a lane.
type Tokens struct {
	Left       float64
	RefilledAt time.Time // the zero time: full
}

// Take uses up one token and reports whether there was one.
func (t *Tokens) Take(n Noise, now time.Time) bool {
	if n.Budget <= 0 {
		return true
	}
	if t.RefilledAt.IsZero() || t.RefilledAt.Year() < 1970 {
		t.Left = float64(n.Budget)
	} else if d := now.Sub(t.RefilledAt); d > 0 {
		t.Left = min(t.Left+d.Seconds()/n.DigestMin.Seconds(), float64(n.Budget))
	}
	t.RefilledAt = now
	if t.Left < 1 {
		return false
	}
	t.Left--
	return true
}

// Fold is alerts that wait to be told together.
type Fold struct {
	Digest   int64 // delivery that will tell them
	OpenedAt time.Time
	DueAt    time.Time
}

// Extend makes the fold wait a little longer for what else may come, or opens it when it is new.
func (f *Fold) Extend(n Noise, now time.Time) {
	if f.OpenedAt.IsZero() {
		f.OpenedAt, f.DueAt = now, now.Add(n.DigestMin)
		return
	}
	if last := f.OpenedAt.Add(n.DigestMax); f.DueAt.Before(last) {
		f.DueAt = f.DueAt.Add(digestStep)
		if f.DueAt.After(last) {
			f.DueAt = last
		}
	}
}

// Bucket names what is folded together: the alerts of a project for one lane. Those that wait for
// the end of a rule's quiet hours are apart, so that they hold up nothing else.
func Bucket(lane string, project, quietRule int64) string {
	b := lane + "/p" + strconv.FormatInt(project, 10)
	if quietRule != 0 {
		b += "/q" + strconv.FormatInt(quietRule, 10)
	}
	return b
}

// Status is a word for how the destination fares: disabled, paused, failing, ok, or unused.
func (d *Destination) Status() string {
	h := &d.Health
	switch {
	case h.DisabledAt != nil:
		return "disabled"
	case d.Paused:
		return "paused"
	case h.Failures > 0:
		return "failing"
	case h.LastSentAt == nil:
		return "unused"
	}
	return "ok"
}

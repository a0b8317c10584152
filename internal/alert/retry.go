package alert

import (
	"strconv"
	"time"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// Answer is what came of handing one message to a channel.
type Answer struct {
	Status     int           // HTTP status; 0 when there was no answer
	Response   string        // head of the answer, at most 1 KiB, valid UTF-8
	Error      string        // why it does not count as delivered, fit to be shown; empty: delivered
	RetryAfter time.Duration // what the destination asked for; zero: nothing
	Final      bool          // with Error: trying again is pointless
	Cut        bool          // with Error: we stopped before an answer came; it says nothing of the destination
	Gone       bool          // with Error: the destination will never answer again
	Thread     string        // how later messages about the issue name this one; empty: they cannot
}

// GiveUpAfter is how long a delivery is tried before it counts as failed.
const GiveUpAfter = 72 * time.Hour

// ladder is the pause after each failed try; the last one repeats.
var ladder = [...]time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute,
	time.Hour, 4 * time.Hour, 8 * time.Hour, 16 * time.Hour, 24 * time.Hour,
}

const jitter = 0.2 // pauses differ by up to this share, so that failures do not return as a crowd

// Verdict is what becomes of a delivery after a try.
type Verdict struct {
	State         DeliveryState
	Reason        string    // why it failed for good; empty otherwise
	NextAttemptAt time.Time // DeliveryQueued: when it is tried next
}

// Judge decides what becomes of j, whose latest try, number j.AttemptCount, ended at now with a.
// chance is a random number in [0, 1).
func Judge(j *Job, a Answer, now time.Time, chance float64) Verdict {
	deadline := j.QueuedAt.Add(GiveUpAfter)
	switch {
	case a.Error == "":
		return Verdict{State: DeliverySent}
	case a.Cut:
		return Verdict{State: DeliveryQueued, NextAttemptAt: now}
	case a.Final:
		return Verdict{State: DeliveryFailed, Reason: a.Error}
	case !now.Before(deadline):
		return Verdict{State: DeliveryFailed, Reason: "gave up after 72 hours: " + a.Error}
	}
	step := min(max(j.AttemptCount-j.FirstAttempt-1, 0), len(ladder)-1)
	pause := time.Duration(float64(ladder[step]) * (1 - jitter + 2*jitter*chance))
	pause = max(pause, min(a.RetryAfter, ladder[len(ladder)-1]))
	next := now.Add(pause)
	if next.After(deadline) {
		next = deadline
	}
	return Verdict{State: DeliveryQueued, NextAttemptAt: next}
}

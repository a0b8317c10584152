// Package alertset is what the pages and the API do alike with alert rules and destinations: read
// what people typed, seal it, and check that a rule names what its organization has.
package alertset

import (
	"context"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/delivery/channels"
	"github.com/tocsin-dev/tocsin/internal/delivery/webhook"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/seal"
)

// Typed is a destination as somebody typed it. Settings that are missing keep what is stored.
type Typed struct {
	Channel  string
	Name     string
	Settings delivery.Settings
	Paused   bool
	Noise    alert.Noise
}

const maxName = 100

// Apply puts what was typed into d, which is new when its id is zero. secret is one that was made
// now, to be shown once. fault.Invalid says what is wrong.
func Apply(d *alert.Destination, t Typed, key *seal.Key) (secret string, err error) {
	if d.ID == 0 {
		d.Channel = t.Channel
	}
	sp, known := channels.Spec(d.Channel)
	if !known {
		return "", fault.New(fault.Invalid, "There is no channel %.40q.", d.Channel)
	}
	if key == nil {
		return "", fault.New(fault.Unavailable, "Destinations cannot be written: this server has no key to seal their settings with.")
	}
	before := delivery.Settings{}
	if d.ID != 0 {
		if before, err = delivery.Open(d.Organization, d.Settings, key); err != nil {
			before = delivery.Settings{} // sealed with a key that is lost: all must be typed again
		}
	}
	if t.Settings == nil {
		t.Settings = before
	}
	settings, target, err := sp.Read(t.Settings, before)
	if err != nil {
		return "", err
	}
	if sp.Secret != "" && settings[sp.Secret] == "" {
		secret = webhook.NewSecret().Reveal()
		settings[sp.Secret] = secret
	}
	if d.Name = strings.TrimSpace(t.Name); d.Name == "" {
		d.Name = sp.Label + " " + target
	}
	if d.Name = delivery.Line(d.Name, maxName); d.Name == "" {
		return "", fault.New(fault.Invalid, "A destination has a name.")
	}
	n := t.Noise
	if n.Budget < 0 || n.Budget > alert.MaxBudget || n.DigestMin < alert.MinDigest || n.DigestMax > alert.MaxDigest || n.DigestMin > n.DigestMax {
		return "", fault.New(fault.Invalid, "Messages in a row are 0 to %d; a digest waits %s to %s, the shorter time first.", alert.MaxBudget, alert.Words(alert.MinDigest), alert.Words(alert.MaxDigest))
	}
	d.Target, d.Paused, d.Noise = target, t.Paused, n
	d.Settings, err = delivery.Seal(d.Organization, settings, key)
	return secret, err
}

// Check reports, as fault.Invalid, destinations that the rule names and its organization does not
// have, beside what Validate reports.
func Check(ctx context.Context, store *postgres.Store, r *alert.Rule) error {
	if err := r.Validate(); err != nil {
		return err
	}
	var ids []int64
	for _, a := range r.Actions {
		if a.Kind == alert.ActionDestination {
			ids = append(ids, a.Destination)
		}
	}
	if r.Escalation != nil {
		ids = append(ids, r.Escalation.Destination)
	}
	if len(ids) == 0 {
		return nil
	}
	found, err := store.ProjectDestinations(ctx, r.Project, ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, ok := found[id]; !ok {
			return fault.New(fault.Invalid, "a destination that the rule names does not exist")
		}
	}
	return nil
}

// Seconds is a duration that people wrote in seconds, within what can be.
func Seconds(n int64) time.Duration {
	return time.Duration(min(max(n, 0), 1<<31)) * time.Second
}

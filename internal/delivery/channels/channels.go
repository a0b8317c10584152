// Package channels lists every channel: what there is to choose from, and how to open them all.
package channels

import (
	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/delivery/discord"
	"github.com/tocsin-dev/tocsin/internal/delivery/email"
	"github.com/tocsin-dev/tocsin/internal/delivery/googlechat"
	"github.com/tocsin-dev/tocsin/internal/delivery/mattermost"
	"github.com/tocsin-dev/tocsin/internal/delivery/ntfy"
	"github.com/tocsin-dev/tocsin/internal/delivery/opsgenie"
	"github.com/tocsin-dev/tocsin/internal/delivery/pagerduty"
	"github.com/tocsin-dev/tocsin/internal/delivery/slack"
	"github.com/tocsin-dev/tocsin/internal/delivery/teams"
	"github.com/tocsin-dev/tocsin/internal/delivery/telegram"
	"github.com/tocsin-dev/tocsin/internal/delivery/webhook"
)

var specs = []*delivery.Spec{&webhook.Spec, &email.Spec, &slack.Spec, &discord.Spec, &teams.Spec, &mattermost.Spec, &telegram.Spec, &googlechat.Spec,
	&ntfy.Spec, &pagerduty.Spec, &opsgenie.Spec}

// Specs lists the channels in the order in which they are offered.
func Specs() []*delivery.Spec { return specs }

// Spec returns the channel of a name; ok is false when there is none.
func Spec(name string) (sp *delivery.Spec, ok bool) {
	for _, s := range specs {
		if s.Name == name {
			return s, true
		}
	}
	return nil, false
}

// Open returns every channel by name. Those over HTTP post through p; mail goes through the relay,
// which may be nil. base is the installation's address.
func Open(p *delivery.Poster, relay *email.Relay, base string) map[string]delivery.Channel {
	return map[string]delivery.Channel{
		webhook.Spec.Name: webhook.New(p), email.Spec.Name: email.New(relay, base), slack.Spec.Name: slack.New(p), discord.Spec.Name: discord.New(p),
		teams.Spec.Name: teams.New(p), mattermost.Spec.Name: mattermost.New(p), telegram.Spec.Name: telegram.New(p),
		googlechat.Spec.Name: googlechat.New(p), ntfy.Spec.Name: ntfy.New(p), pagerduty.Spec.Name: pagerduty.New(p), opsgenie.Spec.Name: opsgenie.New(p),
	}
}

// Package loopback is the channel of heartbeats: what is sent there has arrived. It takes every step
// that other messages take and leaves the machine by none, so nobody is offered it as a destination.
package loopback

import (
	"context"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery"
)

// Channel takes messages. It is safe for concurrent use.
type Channel struct{}

// Render returns the event that the message is about.
func (Channel) Render(n *alert.Notice, _ delivery.Settings) ([]byte, error) {
	return delivery.JSON(map[string]string{"event_id": n.Change.EventID})
}

// Send takes j's message.
func (Channel) Send(context.Context, *alert.Job, delivery.Settings) alert.Answer {
	return alert.Answer{Status: 200, Response: "heard"}
}

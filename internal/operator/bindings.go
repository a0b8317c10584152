package operator

import (
	"context"
	"crypto/rand"
	"io"

	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/bus"
)

// BindingsCmd groups the commands about deploy/bindings.yaml.
type BindingsCmd struct {
	Graph      BindingsGraph   `cmd:"" help:"Print who calls and publishes what."`
	NATSConfig NATSConfig      `cmd:"" name:"nats-config" help:"Print the configuration of a NATS server that enforces the bindings, with a user per service."`
	Compose    BindingsCompose `cmd:"" help:"Print a compose file of separate programs, sized by the bindings."`
	Values     BindingsValues  `cmd:"" help:"Print the values of the chart, sized by the bindings."`
	Apply      ApplyBindings   `cmd:"" help:"Make the streams, consumers and buckets of the bindings in a NATS."`
}

// BindingsGraph prints the graph.
type BindingsGraph struct {
	Format string `help:"mermaid, dot or json." enum:"mermaid,dot,json" default:"mermaid"`
}

// Run implements the command.
func (b BindingsGraph) Run(out io.Writer) error {
	g := bindings.Graph()
	var text string
	switch b.Format {
	case "mermaid":
		text = g.Mermaid()
	case "dot":
		text = g.DOT()
	case "json":
		text = g.JSON()
	}
	_, err := io.WriteString(out, text)
	return err
}

// NATSConfig prints a server configuration.
type NATSConfig struct {
	Listen   string `help:"Address the server listens on." default:"127.0.0.1:4222"`
	StoreDir string `name:"store-dir" help:"Folder for streams." default:"./nats"`
}

// Run implements the command. Passwords are made anew each time.
func (n NATSConfig) Run(out io.Writer) error {
	g := bindings.Graph()
	passwords := map[string]string{}
	for _, user := range g.Identities() {
		passwords[user] = rand.Text()
	}
	_, err := io.WriteString(out, g.NATSConfig(bus.Broker{Listen: n.Listen, StoreDir: n.StoreDir, Secrets: passwords}))
	return err
}

// ApplyBindings makes what the bindings need in a NATS.
type ApplyBindings struct {
	NATSURL string `name:"nats-url" required:"" help:"NATS, with the admin user." env:"TOCSIN_NATS_URL"`
	NATSReplicas
}

// Run implements the command.
func (a ApplyBindings) Run(ctx context.Context) error {
	return ensureExternal(ctx, a.NATSURL, a.Replicas)
}

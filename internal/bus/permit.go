package bus

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Permission is what the broker lets one identity do. Whatever is not listed is refused.
type Permission struct {
	Publish   []string
	Subscribe []string
	// Responses is how many messages may answer one request it received; 0 is none.
	Responses int
}

// ResponseWait is how long an answer to a request is let through.
const ResponseWait = maxCallTimeout + 5*time.Second

// Permissions derives from the graph what an identity may publish and subscribe to.
//
// Rule: https://docs.nats.io/reference/reference-protocols/nats_api_reference and
// nats-io/nats-architecture-and-design adr/ADR-15.md (acknowledgement subjects)
func (g *Graph) Permissions(identity string) Permission {
	p := Permission{Subscribe: []string{inboxPrefix(identity) + ".>"}}
	if identity == Admin {
		p.Publish = []string{"$JS.API.>", "$JS.ACK.>", "$JS.FC.>", "$KV.>", "$SRV.>", "q.>"}
		for _, name := range g.DeadLetterQueues() {
			p.Publish = append(p.Publish, name+".>")
		}
		return p
	}
	for _, name := range sortedKeys(g.Queues) {
		p.queue(identity, name, g.Queues[name])
	}
	for _, name := range sortedKeys(g.Calls) {
		p.call(identity, name, g.Calls[name])
	}
	for _, name := range sortedKeys(g.Buckets) {
		p.bucket(identity, name, g.Buckets[name])
	}
	if g.Services[identity].Observes {
		p.observe(g)
	}
	if g.Services[identity].Operates {
		p.operate(g)
	}
	slices.Sort(p.Publish)
	p.Publish = slices.Compact(p.Publish)
	slices.Sort(p.Subscribe)
	return p
}

func (p *Permission) queue(identity, name string, q QueuePolicy) {
	if slices.Contains(q.Producers, identity) {
		p.Publish = append(p.Publish, queueSubject(name))
	}
	if q.Consumer == identity {
		at := queueStream(name) + "." + queueConsumer(name, identity)
		p.Publish = append(p.Publish,
			"$JS.API.CONSUMER.INFO."+at,
			"$JS.API.CONSUMER.MSG.NEXT."+at,
			"$JS.API.CONSUMER.PAUSE."+at, // when too much of it is dead-lettered
			"$JS.ACK."+at+".>",
			"$JS.ACK.*.*."+at+".>", // the second shape: domain and account come first
			deadSubject(q.DeadLetterQueue, name))
	}
}

func (p *Permission) call(identity, name string, k CallPolicy) {
	if slices.Contains(k.Callers, identity) {
		p.Publish = append(p.Publish, callSubject(name))
	}
	if k.Server == identity {
		// One answer, and discovery: a request for all endpoints is answered by each, and the
		// broker counts each delivery of it as well.
		p.Responses += 4
		p.Subscribe = append(p.Subscribe, callSubject(name))
		for _, verb := range []string{"PING", "STATS", "INFO"} {
			own := "$SRV." + verb + "." + callService(name)
			p.Subscribe = append(p.Subscribe, "$SRV."+verb, own, own+".*")
		}
		slices.Sort(p.Subscribe)
		p.Subscribe = slices.Compact(p.Subscribe)
	}
}

func (p *Permission) bucket(identity, name string, b BucketPolicy) {
	writes, watches := slices.Contains(b.Writers, identity), slices.Contains(b.Watchers, identity)
	stream := bucketStream(name)
	if writes || watches {
		p.Publish = append(p.Publish, "$JS.API.STREAM.INFO."+stream, "$JS.API.DIRECT.GET."+stream+".>")
	}
	if writes {
		p.Publish = append(p.Publish, "$KV."+name+".>")
	}
	if watches {
		p.Publish = append(p.Publish,
			"$JS.API.CONSUMER.CREATE."+stream+".*.$KV."+name+".>",
			"$JS.API.CONSUMER.DELETE."+stream+".*",
			"$JS.API.CONSUMER.INFO."+stream+".*",
			"$JS.FC."+stream+".>")
	}
}

func (p *Permission) observe(g *Graph) {
	for _, name := range sortedKeys(g.Queues) {
		at := queueStream(name) + "." + queueConsumer(name, g.Queues[name].Consumer)
		p.Publish = append(p.Publish, "$JS.API.STREAM.INFO."+queueStream(name), "$JS.API.CONSUMER.INFO."+at)
	}
	for _, name := range g.DeadLetterQueues() {
		p.Publish = append(p.Publish, "$JS.API.STREAM.INFO."+deadStream(name))
	}
}

// operate lets a service look after dead letters and pause queues.
func (p *Permission) operate(g *Graph) {
	for _, name := range sortedKeys(g.Queues) {
		p.Publish = append(p.Publish, queueSubject(name),
			"$JS.API.CONSUMER.PAUSE."+queueStream(name)+"."+queueConsumer(name, g.Queues[name].Consumer))
	}
	for _, name := range g.DeadLetterQueues() {
		p.Publish = append(p.Publish, "$JS.API.STREAM.MSG.GET."+deadStream(name), "$JS.API.STREAM.MSG.DELETE."+deadStream(name))
	}
}

const configHead = `# Written by "tocsin bindings nats-config". Settings of your own, such as TLS, go into a file
# that includes this one.

listen: %s
max_payload: %d

jetstream {
  store_dir: %s
  sync_interval: always # an acknowledged message is on the disk
}

`

// Broker is what NATSConfig is told about a server of one's own.
type Broker struct {
	Listen   string            // address, such as "127.0.0.1:4222"
	StoreDir string            // folder for streams
	Secrets  map[string]string // passwords by identity, plain or bcrypt; identities without one are left out
}

// NATSConfig writes what a nats-server's configuration needs: its address and storage, the
// account, a user for each identity and what it may do, and the settings that the bus counts on.
func (g *Graph) NATSConfig(broker Broker) string {
	var b strings.Builder
	fmt.Fprintf(&b, configHead, quote(broker.Listen), MaxPayload, quote(broker.StoreDir))
	fmt.Fprintf(&b, "accounts {\n  TOCSIN {\n    jetstream: enabled\n    users: [\n")
	for _, identity := range g.Identities() {
		secret, ok := broker.Secrets[identity]
		if !ok {
			continue
		}
		p := g.Permissions(identity)
		fmt.Fprintf(&b, "      {\n        user: %s\n        password: %s\n        permissions {\n", quote(identity), quote(secret))
		writeSubjects(&b, "publish", p.Publish)
		writeSubjects(&b, "subscribe", p.Subscribe)
		if p.Responses > 0 {
			fmt.Fprintf(&b, "          allow_responses { max: %d, expires: %q }\n", p.Responses, ResponseWait)
		}
		b.WriteString("        }\n      }\n")
	}
	b.WriteString("    ]\n  }\n}\n")
	return b.String()
}

// writeSubjects lists what is allowed; the server takes an absent list for "everything", so an
// empty one becomes an explicit refusal.
func writeSubjects(b *strings.Builder, verb string, subjects []string) {
	if len(subjects) == 0 {
		fmt.Fprintf(b, "          %s { deny: \">\" }\n", verb)
		return
	}
	fmt.Fprintf(b, "          %s {\n            allow: [\n", verb)
	for _, s := range subjects {
		fmt.Fprintf(b, "              %s\n", quote(s))
	}
	b.WriteString("            ]\n          }\n")
}

var quoting = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "\r", `\r`)

func quote(s string) string { return `"` + quoting.Replace(s) + `"` }

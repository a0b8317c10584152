package bus

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// checker turns the file into a Graph and gathers every complaint on the way.
type checker struct {
	f          *file
	g          *Graph
	complaints []complaint
}

type complaint struct {
	line int
	text string
}

func (c *checker) say(line int, format string, args ...any) {
	c.complaints = append(c.complaints, complaint{line, fmt.Sprintf(format, args...)})
}

func (c *checker) run() (*Graph, error) {
	c.services()
	c.calls()
	c.queues()
	c.buckets()
	c.external()
	c.acyclic()
	return c.g, c.verdict()
}

// verdict is every complaint as one error, in the order of the lines.
func (c *checker) verdict() error {
	if len(c.complaints) == 0 {
		return nil
	}
	slices.SortFunc(c.complaints, func(a, b complaint) int {
		return cmp.Or(cmp.Compare(a.line, b.line), strings.Compare(a.text, b.text))
	})
	var b strings.Builder
	for _, m := range slices.Compact(c.complaints) {
		fmt.Fprintf(&b, "\n  line %d: %s", m.line, m.text)
	}
	return fault.New(fault.Invalid, "the bindings are wrong:%s", b.String())
}

func (c *checker) services() {
	if len(c.f.Services) == 0 || len(c.f.Services) > maxGraphEntries {
		c.say(1, "there must be 1 to %d services", maxGraphEntries)
	}
	for _, name := range sortedKeys(c.f.Services) {
		s := c.f.Services[name]
		if !serviceName.MatchString(name) || name == Admin {
			c.say(s.line, "%q cannot name a service", name)
		}
		c.within(s.v.Replicas, s.line, "replicas", 1, 1000)
		for _, q := range []at[string]{s.v.Memory, s.v.CPU} {
			if !quantity.MatchString(q.v) {
				c.say(lineOf(q.line, s.line), "service %s needs memory and cpu as quantities such as 256Mi and 250m", name)
			}
		}
		c.g.Services[name] = Service{About: s.v.About, Replicas: s.v.Replicas.v, Memory: s.v.Memory.v,
			CPU: s.v.CPU.v, Observes: s.v.Observes || s.v.Operates, Operates: s.v.Operates}
	}
}

func (c *checker) calls() {
	c.names(lines(c.f.Calls))
	for name, k := range c.f.Calls {
		v := k.v
		c.service(v.Server, k.line, "server")
		callers := c.identities(v.Callers, k.line, "callers")
		if slices.Contains(callers, v.Server.v) {
			c.say(k.line, "call %s: %s calls itself", name, v.Server.v)
		}
		if v.MaxConcurrency.line == 0 {
			v.MaxConcurrency.v = 16
		}
		c.within(v.MaxConcurrency, k.line, "max_concurrency", 1, maxConcurrency)
		p := CallPolicy{About: v.About, Server: v.Server.v, Callers: callers, Idempotent: v.Idempotent,
			MaxRetries: v.MaxRetries.v, MaxConcurrency: v.MaxConcurrency.v}
		p.Timeout, p.Fallback = c.attempts(k.line, v.Timeout, v.Idempotent, v.MaxRetries, v.Fallback)
		c.g.Calls[name] = p
	}
}

// attempts checks what calls to services and to external programs have in common.
func (c *checker) attempts(line int, timeout at[duration], idempotent bool, retries at[int], fallback at[string]) (time.Duration, Fallback) {
	d := time.Duration(timeout.v)
	if d <= 0 || d > maxCallTimeout {
		c.say(lineOf(timeout.line, line), "timeout must be above 0 and at most %s", maxCallTimeout)
	}
	c.within(retries, line, "max_retries", 0, 10)
	if retries.v > 0 && !idempotent {
		c.say(retries.line, "max_retries needs idempotent: true")
	}
	f := Fallback(fallback.v)
	if fallback.line == 0 {
		f = FallbackError
	}
	if f != FallbackError && f != FallbackCaller {
		c.say(fallback.line, "fallback is %q; it can be error or caller", fallback.v)
	}
	return d, f
}

func (c *checker) queues() {
	c.names(lines(c.f.Queues))
	dead, percent := map[string]bool{}, 0
	for _, q := range c.f.Queues {
		dead[q.v.DeadLetterQueue.v] = true
	}
	for name, q := range c.f.Queues {
		v := q.v
		if dead[name] || strings.Contains(name, ".") || slices.Contains([]string{"q", "call", "advisory"}, name) {
			c.say(q.line, "%q cannot name a queue", name)
		}
		producers := c.identities(v.Producers, q.line, "producers")
		c.service(v.Consumer, q.line, "consumer")
		if !serviceName.MatchString(v.DeadLetterQueue.v) || slices.Contains([]string{"q", "call", "advisory"}, v.DeadLetterQueue.v) {
			c.say(lineOf(v.DeadLetterQueue.line, q.line), "queue %s needs a dead_letter_queue", name)
		}
		c.within(v.MaxConcurrency, q.line, "max_concurrency", 1, maxConcurrency)
		c.within(v.MaxBatchSize, q.line, "max_batch_size", 1, maxBatchSize)
		c.within(v.MaxRetries, q.line, "max_retries", 0, maxRetries)
		c.within(v.StoragePercent, q.line, "storage_percent", 1, 100-deadPercent)
		percent += v.StoragePercent.v
		if d := time.Duration(v.MaxBatchTimeout.v); d < 0 || d > 10*time.Second {
			c.say(v.MaxBatchTimeout.line, "max_batch_timeout must be 0 to 10s")
		}
		c.g.Queues[name] = QueuePolicy{About: v.About, Producers: producers, Consumer: v.Consumer.v,
			MaxConcurrency: v.MaxConcurrency.v, MaxBatchSize: v.MaxBatchSize.v,
			MaxBatchTimeout: time.Duration(v.MaxBatchTimeout.v), MaxRetries: v.MaxRetries.v,
			Backoff: c.backoff(v.Backoff, q.line), DeadLetterQueue: v.DeadLetterQueue.v, StoragePercent: v.StoragePercent.v}
	}
	if percent > 100-deadPercent {
		c.say(1, "queues take %d%% of the storage, %d%% at most: the rest is for dead letters", percent, 100-deadPercent)
	}
}

func (c *checker) backoff(steps []at[duration], line int) []time.Duration {
	if len(steps) == 0 || len(steps) > 20 {
		c.say(line, "backoff needs 1 to 20 delays")
	}
	var ladder []time.Duration
	for _, s := range steps {
		d := time.Duration(s.v)
		if d <= 0 || d > maxBackoff || (len(ladder) > 0 && d < ladder[len(ladder)-1]) {
			c.say(s.line, "backoff delays are above 0, at most %s, and grow", maxBackoff)
		}
		ladder = append(ladder, d)
	}
	return ladder
}

func (c *checker) buckets() {
	c.names(lines(c.f.Buckets))
	for name, b := range c.f.Buckets {
		if strings.Contains(name, ".") {
			c.say(b.line, "%q cannot name a bucket", name)
		}
		if b.v.History.line == 0 {
			b.v.History.v = 1
		}
		c.within(b.v.History, b.line, "history", 1, 64)
		c.g.Buckets[name] = BucketPolicy{About: b.v.About, History: b.v.History.v,
			Writers: c.identities(b.v.Writers, b.line, "writers"), Watchers: c.identities(b.v.Watchers, b.line, "watchers")}
	}
}

func (c *checker) external() {
	c.names(lines(c.f.External))
	for name, e := range c.f.External {
		v := e.v
		u, err := url.Parse(v.URL.v)
		switch {
		case v.Setting.v != "" && v.URL.v == "":
			if !strings.HasPrefix(v.Setting.v, "TOCSIN_") {
				c.say(v.Setting.line, "setting %q of external %s is no variable of ours: they begin with TOCSIN_", v.Setting.v, name)
			}
		case err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "nats", "smtp", "smtps"}, u.Scheme):
			c.say(lineOf(v.URL.line, e.line), "external %s needs an http, https, nats, smtp or smtps url, or a setting", name)
		}
		p := ExternalPolicy{About: v.About, URL: v.URL.v, Setting: v.Setting.v, Idempotent: v.Idempotent, MaxRetries: v.MaxRetries.v,
			Callers: c.identities(v.Callers, e.line, "callers")}
		p.Timeout, p.Fallback = c.attempts(e.line, v.Timeout, v.Idempotent, v.MaxRetries, v.Fallback)
		c.g.External[name] = p
	}
}

// names refuses names that cannot be subjects.
func (c *checker) names(lines map[string]int) {
	if len(lines) > maxGraphEntries {
		c.say(1, "a section has %d entries at most", maxGraphEntries)
	}
	for name, line := range lines {
		if !dottedName.MatchString(name) {
			c.say(line, "%q cannot be a name: lower-case words joined by dots can", name)
		}
	}
}

// service demands one declared service.
func (c *checker) service(name at[string], line int, role string) {
	if name.v == "" {
		c.say(line, "a %s is missing", role)
		return
	}
	if _, ok := c.f.Services[name.v]; !ok {
		c.say(name.line, "%s %q is not a service", role, name.v)
	}
}

// identities demands at least one declared service or the administrator, none twice.
func (c *checker) identities(names []at[string], line int, role string) []string {
	if len(names) == 0 {
		c.say(line, "%s are missing", role)
	}
	var out []string
	for _, n := range names {
		if _, ok := c.f.Services[n.v]; !ok && n.v != Admin {
			c.say(n.line, "%q among %s is not a service", n.v, role)
		}
		if slices.Contains(out, n.v) {
			c.say(n.line, "%q is named twice among %s", n.v, role)
		}
		out = append(out, n.v)
	}
	return out
}

func (c *checker) within(n at[int], line int, what string, low, high int) {
	if n.v < low || n.v > high {
		c.say(lineOf(n.line, line), "%s must be %d to %d", what, low, high)
	}
}

// acyclic refuses calls that could wait for each other in a circle.
func (c *checker) acyclic() {
	const visiting, done = 1, 2
	state := map[string]int{}
	var path []string
	var visit func(service string)
	visit = func(service string) {
		state[service] = visiting
		path = append(path, service)
		for _, name := range sortedKeys(c.g.Calls) {
			k := c.g.Calls[name]
			if k.Server == service || !slices.Contains(k.Callers, service) {
				continue
			}
			switch state[k.Server] {
			case visiting:
				at := slices.Index(path, k.Server)
				c.say(c.f.Calls[name].line, "call %s closes a circle: %s", name,
					strings.Join(append(slices.Clone(path[at:]), k.Server), " → "))
			case 0:
				visit(k.Server)
			}
		}
		path = path[:len(path)-1]
		state[service] = done
	}
	for _, s := range sortedKeys(c.g.Services) {
		if state[s] == 0 {
			visit(s)
		}
	}
}

func lines[T any](m map[string]located[T]) map[string]int {
	out := make(map[string]int, len(m))
	for name, v := range m {
		out[name] = v.line
	}
	return out
}

func lineOf(line, fallback int) int {
	if line == 0 {
		return fallback
	}
	return line
}

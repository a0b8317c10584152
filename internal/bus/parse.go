package bus

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Bounds of a bindings file.
const (
	maxGraphBytes   = 256 << 10
	maxGraphEntries = 200 // of one section
	maxCallTimeout  = 10 * time.Second
	maxBatchSize    = 10_000
	maxConcurrency  = 256
	maxRetries      = 100
	maxBackoff      = time.Hour
	// deadPercent of the storage is set aside for dead letters.
	deadPercent = 15
)

var (
	serviceName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)
	dottedName  = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}(\.[a-z][a-z0-9_]{0,31}){0,3}$`)
	quantity    = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?(m|Ki|Mi|Gi|k|M|G)?$`)
)

// file mirrors the YAML. Values stay nodes where a complaint must name their line.
type file struct {
	Version  int                          `yaml:"version"`
	Services map[string]located[service]  `yaml:"services"`
	Calls    map[string]located[call]     `yaml:"calls"`
	Queues   map[string]located[queue]    `yaml:"queues"`
	Buckets  map[string]located[bucket]   `yaml:"buckets"`
	External map[string]located[external] `yaml:"external"`
}

type service struct {
	About    string     `yaml:"about"`
	Replicas at[int]    `yaml:"replicas"`
	Memory   at[string] `yaml:"memory"`
	CPU      at[string] `yaml:"cpu"`
	Observes bool       `yaml:"observes"`
	Operates bool       `yaml:"operates"`
}

type call struct {
	About          string       `yaml:"about"`
	Server         at[string]   `yaml:"server"`
	Callers        []at[string] `yaml:"callers"`
	Timeout        at[duration] `yaml:"timeout"`
	Idempotent     bool         `yaml:"idempotent"`
	MaxRetries     at[int]      `yaml:"max_retries"`
	MaxConcurrency at[int]      `yaml:"max_concurrency"`
	Fallback       at[string]   `yaml:"fallback"`
}

type queue struct {
	About           string         `yaml:"about"`
	Producers       []at[string]   `yaml:"producers"`
	Consumer        at[string]     `yaml:"consumer"`
	MaxConcurrency  at[int]        `yaml:"max_concurrency"`
	MaxBatchSize    at[int]        `yaml:"max_batch_size"`
	MaxBatchTimeout at[duration]   `yaml:"max_batch_timeout"`
	MaxRetries      at[int]        `yaml:"max_retries"`
	Backoff         []at[duration] `yaml:"backoff"`
	DeadLetterQueue at[string]     `yaml:"dead_letter_queue"`
	StoragePercent  at[int]        `yaml:"storage_percent"`
}

type bucket struct {
	About    string       `yaml:"about"`
	Writers  []at[string] `yaml:"writers"`
	Watchers []at[string] `yaml:"watchers"`
	History  at[int]      `yaml:"history"`
}

type external struct {
	About      string       `yaml:"about"`
	URL        at[string]   `yaml:"url"`
	Setting    at[string]   `yaml:"setting"`
	Callers    []at[string] `yaml:"callers"`
	Timeout    at[duration] `yaml:"timeout"`
	Idempotent bool         `yaml:"idempotent"`
	MaxRetries at[int]      `yaml:"max_retries"`
	Fallback   at[string]   `yaml:"fallback"`
}

// at is a scalar that remembers its line.
type at[T any] struct {
	v    T
	line int
}

func (a *at[T]) UnmarshalYAML(n *yaml.Node) error {
	a.line = n.Line
	if err := n.Decode(&a.v); err != nil {
		return complain(n.Line, "%q is not %s", n.Value, wanted(a.v))
	}
	return nil
}

func wanted(v any) string {
	switch v.(type) {
	case int:
		return "a whole number"
	case duration:
		return "a duration such as 10s"
	}
	return "text"
}

// duration reads Go's duration text.
type duration time.Duration

func (d *duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	*d = duration(v)
	return err
}

// located is a mapping that remembers its line and refuses members it does not know.
type located[T any] struct {
	v    T
	line int
}

func (l *located[T]) UnmarshalYAML(n *yaml.Node) error {
	l.line = n.Line
	if n.Kind != yaml.MappingNode {
		return complain(n.Line, "a mapping is needed here")
	}
	if err := knownFields[T](n); err != nil {
		return err
	}
	return n.Decode(&l.v)
}

// knownFields complains about the first member of n that T has no field for.
func knownFields[T any](n *yaml.Node) error {
	known := map[string]bool{}
	for t := range reflect.TypeFor[T]().Fields() {
		known[t.Tag.Get("yaml")] = true
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := n.Content[i]; !known[key.Value] {
			return complain(key.Line, "%q is not a setting of this section", key.Value)
		}
	}
	return nil
}

func complain(line int, format string, args ...any) error {
	return fault.New(fault.Invalid, "the bindings are wrong:\n  line %d: %s", line, fmt.Sprintf(format, args...))
}

// ParseGraph reads and validates a bindings file. fault.Invalid: the text names what is wrong,
// with its line.
func ParseGraph(text []byte) (*Graph, error) {
	if len(text) > maxGraphBytes {
		return nil, fault.New(fault.TooLarge, "bindings are %d bytes, %d at most", len(text), maxGraphBytes)
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	var f file
	if err := dec.Decode(&f); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the file is empty")
		}
		if fault.KindOf(err) == fault.Invalid {
			return nil, err
		}
		return nil, fault.New(fault.Invalid, "bindings: %v", err)
	}
	if f.Version != 1 {
		return nil, fault.New(fault.Invalid, "bindings: version %d is not known, 1 is", f.Version)
	}
	c := checker{f: &f, g: &Graph{
		Services: map[string]Service{}, Calls: map[string]CallPolicy{}, Queues: map[string]QueuePolicy{},
		Buckets: map[string]BucketPolicy{}, External: map[string]ExternalPolicy{},
	}}
	g, err := c.run()
	if err != nil {
		return nil, err
	}
	return g, nil
}

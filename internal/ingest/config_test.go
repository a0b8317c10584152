package ingest

import (
	"testing"

	"github.com/alecthomas/kong"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

func TestDefaultsWorkAndWhatCannotIsNamed(t *testing.T) {
	t.Parallel()
	var defaults Config
	parser, err := kong.New(&defaults)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(nil); err != nil {
		t.Fatal(err)
	}
	if err := defaults.Validate(); err != nil || len(defaults.TrustedProxies) != 2 {
		t.Errorf("defaults %+v: %v", defaults, err)
	}
	for name, change := range map[string]func(*Config){
		"no event":      func(c *Config) { c.MaxEventBytes = 0 },
		"huge event":    func(c *Config) { c.MaxEventBytes = 4 << 20 },
		"tiny envelope": func(c *Config) { c.MaxEnvelopeBytes = 1 },
		"no encoding":   func(c *Config) { c.MaxCompressedBytes = 0 },
		"no memory":     func(c *Config) { c.BodyMemoryBytes = 1 << 20 },
		"tiny spool":    func(c *Config) { c.SpoolBytes = 1 << 20 },
	} {
		c := defaults
		change(&c)
		if err := c.Validate(); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: want invalid, got %v", name, err)
		}
	}
}

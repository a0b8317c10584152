package ingest

import (
	"net/netip"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Config is the settings of ingest.
type Config struct {
	TrustedProxies     []netip.Prefix `help:"Networks of proxies whose X-Forwarded-For is believed." default:"127.0.0.0/8,::1/128" env:"TOCSIN_TRUSTED_PROXIES"`
	MaxEnvelopeBytes   int64          `help:"Largest envelope, in bytes after its content encoding is undone." default:"209715200" env:"TOCSIN_MAX_ENVELOPE_BYTES"`
	MaxEventBytes      int64          `help:"Largest event, in bytes." default:"1048576" env:"TOCSIN_MAX_EVENT_BYTES"`
	MaxCompressedBytes int64          `help:"Largest request body that has a content encoding, in bytes as sent." default:"20971520" env:"TOCSIN_MAX_COMPRESSED_BYTES"`
	BodyMemoryBytes    int64          `help:"Memory that request bodies may take together, in bytes; a third is kept for bodies up to 1 MiB." default:"402653184" env:"TOCSIN_BODY_MEMORY_BYTES"`
	SpoolBytes         int64          `help:"Disk space for events accepted while the queue is away, in bytes." default:"1073741824" env:"TOCSIN_SPOOL_BYTES"`
	DiskReserveBytes   int64          `help:"Free space on the disk of --data, in bytes, below which nothing is accepted and clients are told to wait; 0 never refuses." default:"536870912" env:"TOCSIN_DISK_RESERVE_BYTES"`
	LoaderBundle       string         `help:"Address of the JavaScript client that /js-sdk-loader scripts load; empty turns them off." default:"https://browser.sentry-cdn.com/10.78.0/bundle.min.js" env:"TOCSIN_LOADER_BUNDLE"`
}

// maxEvent is the largest event that fits a message of the queue with what is said about it.
const maxEvent = 3 << 20

// Validate reports the first setting that cannot work. fault.Invalid.
func (c Config) Validate() error {
	switch {
	case c.MaxEventBytes < 1 || c.MaxEventBytes > maxEvent:
		return fault.New(fault.Invalid, "the largest event must have 1 to %d bytes, not %d", maxEvent, c.MaxEventBytes)
	case c.MaxEnvelopeBytes < c.MaxEventBytes:
		return fault.New(fault.Invalid, "the largest envelope must hold the largest event")
	case c.MaxCompressedBytes < 1:
		return fault.New(fault.Invalid, "the largest compressed body must have at least one byte")
	case c.DiskReserveBytes < 0:
		return fault.New(fault.Invalid, "the space that stays free on the disk cannot be negative")
	case c.BodyMemoryBytes < 3*smallBody:
		return fault.New(fault.Invalid, "request bodies need at least %d bytes of memory", 3*smallBody)
	case c.LoaderBundle != "" && !strings.HasPrefix(c.LoaderBundle, "https://") && !strings.HasPrefix(c.LoaderBundle, "http://"):
		return fault.New(fault.Invalid, "the address of the JavaScript client must begin with https:// or http://")
	case c.SpoolBytes < 4*c.MaxEventBytes:
		return fault.New(fault.Invalid, "the spool must hold at least four of the largest events")
	}
	return nil
}

// Package geo tells from a MaxMind database where in the world an address is.
//
// The file is read into memory, so that it may be replaced or overwritten at any time; a changed
// file is picked up by the lookups that follow.
package geo

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

// checkEvery is how often a lookup looks whether the file changed.
const checkEvery = time.Minute

// maxFileBytes bounds the file that is read into memory; city databases have about 130 MB.
const maxFileBytes = 1 << 30

// Database is an open file. Its methods may be called by many goroutines at once.
type Database struct {
	path    string
	current atomic.Pointer[edition]
	checked atomic.Int64 // when the file was last looked at, in nanoseconds since the epoch
}

// edition is the content of the file at one time.
type edition struct {
	reader  *maxminddb.Reader
	changed time.Time
	size    int64
}

// Open reads a city or country database in MaxMind's format.
// fault.Invalid: the file is none. Other failures are those of the file system.
// Rule: https://maxmind.github.io/MaxMind-DB/
func Open(path string) (*Database, error) {
	d := &Database{path: path}
	d.checked.Store(time.Now().UnixNano())
	e, err := read(path)
	if err != nil {
		return nil, err
	}
	d.current.Store(e)
	return d, nil
}

func read(path string) (*edition, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open geo database: %w", err)
	}
	if info.Size() > maxFileBytes {
		return nil, fault.New(fault.Invalid, "geo database %s has more than %d bytes", path, maxFileBytes)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read geo database: %w", err)
	}
	reader, err := parse(content)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "%s is no geo database", path)
	}
	return &edition{reader: reader, changed: info.ModTime(), size: info.Size()}, nil
}

func parse(content []byte) (*maxminddb.Reader, error) { return maxminddb.OpenBytes(content) }

// record is the part of a city or country record that is used.
type record struct {
	Country struct {
		Code  string `maxminddb:"iso_code"`
		Names names  `maxminddb:"names"`
	} `maxminddb:"country"`
	City struct {
		Names names `maxminddb:"names"`
	} `maxminddb:"city"`
	Subdivisions []struct {
		Names names `maxminddb:"names"`
	} `maxminddb:"subdivisions"`
}

// names are the names of a place by language, of which one is used.
type names struct {
	English string `maxminddb:"en"`
}

// Lookup returns the place of an address; the zero place when it is unknown, private or invalid.
// Rule: getsentry/relay relay-event-normalization/src/geo.rs
func (d *Database) Lookup(addr netip.Addr) event.Geo {
	d.refresh()
	if !addr.IsValid() {
		return event.Geo{}
	}
	var r record
	if err := d.current.Load().reader.Lookup(addr.Unmap().WithZone("")).Decode(&r); err != nil {
		return event.Geo{}
	}
	p := event.Geo{CountryCode: r.Country.Code, Region: r.Country.Names.English, City: r.City.Names.English}
	if len(r.Subdivisions) > 0 {
		p.Subdivision = r.Subdivisions[0].Names.English
	}
	return p
}

// refresh reads the file again when it changed. One caller does so, the others go on with what
// there is. A file that cannot be read leaves the last good one in use.
func (d *Database) refresh() {
	now, last := time.Now().UnixNano(), d.checked.Load()
	if now-last < int64(checkEvery) || !d.checked.CompareAndSwap(last, now) {
		return
	}
	info, err := os.Stat(d.path)
	if old := d.current.Load(); err == nil && info.ModTime().Equal(old.changed) && info.Size() == old.size {
		return
	}
	e, err := read(d.path)
	if err != nil {
		slog.WarnContext(context.Background(), "the changed geo database is not used", "err", err)
		return
	}
	d.current.Store(e)
	slog.InfoContext(context.Background(), "the geo database was reloaded", "path", d.path)
}

package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/tocsin-dev/tocsin/internal/dsn"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/scrub"
)

// client is a client key and what ingest has to know about its project. It is never changed.
type client struct {
	project int64
	keyID   int64
	active  bool
	rules   []rule   // what may be accepted of it
	origins []string // nil allows every origin
	files   *fileRules
}

// fileRules are what a project wants removed from files, compiled when the first one comes.
type fileRules struct {
	settings json.RawMessage
	compiled sync.Once
	scrubber *scrub.Scrubber
}

// mask overwrites, in place, what must not be kept of a file.
func (f *fileRules) mask(name string, b []byte) {
	f.compiled.Do(func() {
		settings, err := scrub.Read(f.settings)
		if err == nil {
			f.scrubber, err = scrub.Compile(settings)
		}
		if err == nil {
			return
		}
		slog.Error("scrubbing of a project cannot be used; the default is", "err", err)
		if f.scrubber, err = scrub.Compile(scrub.Defaults()); err != nil {
			panic(err) // the defaults are part of the program
		}
	})
	f.scrubber.Attachment(name, b)
}

// directory is what ingest knows of all projects: the last configuration it was given, which
// outlives both the bus and the process. It is safe for concurrent use.
type directory struct {
	path string // of the copy on disk

	mu       sync.RWMutex
	keys     map[dsn.Key]*client
	projects map[int64]*project.Snapshot
	stale    map[int64]bool // read from disk and not yet confirmed by the bus
	dirty    bool           // differs from the copy on disk
	told     bool           // has heard of at least one project, from disk or bus
}

// errRejected answers unknown and disabled keys and keys of another project alike, so that
// nothing can be learned about keys.
// Rule: getsentry/relay relay-server/src/services/projects/project/info.rs
var errRejected = fault.New(fault.Denied, "event submission rejected with_reason: ProjectId")

// errUntold answers while nothing is known of any project: to refuse the key would be wrong.
var errUntold = fault.New(fault.Unavailable, "project configuration is on its way").RetryAfter(time.Second)

// ready returns errUntold until there was word of a project, from disk or bus. An installation
// that is being set up has none yet, and to refuse its first key would lose its first events.
func (d *directory) ready(context.Context) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if !d.told {
		return errUntold
	}
	return nil
}

// openDirectory reads the copy at path; an absent or unreadable one leaves the directory empty.
func openDirectory(ctx context.Context, path string) *directory {
	d := &directory{path: path, keys: map[dsn.Key]*client{}, projects: map[int64]*project.Snapshot{}, stale: map[int64]bool{}}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return d
	}
	var list []project.Snapshot
	if err == nil {
		err = json.Unmarshal(raw, &list)
	}
	if err != nil {
		slog.WarnContext(ctx, "saved project configuration is unreadable", "err", err)
		return d
	}
	for i := range list {
		d.put(&list[i])
		d.stale[list[i].Project] = true
	}
	d.dirty = false
	return d
}

// lookup finds the client of a key. id is the project named in the request, 0 for none. The work
// is the same whether or not the key is known.
func (d *directory) lookup(key dsn.Key, id int64) (*client, error) {
	d.mu.RLock()
	c, told := d.keys[key], d.told
	d.mu.RUnlock()
	if !told {
		return nil, errUntold
	}
	if c == nil {
		c = &nobody
	}
	if !c.active || (id != 0 && id != c.project) {
		return nil, errRejected
	}
	return c, nil
}

// nobody stands in for the client of an unknown key.
var nobody client

// knows reports whether there is a project with the id.
func (d *directory) knows(id int64) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.projects[id] != nil
}

// size is the number of projects known.
func (d *directory) size() int {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return len(d.projects)
}

// take applies one change of the watched bucket: the key is the project's id, nil a deletion.
func (d *directory) take(key string, s *project.Snapshot) {
	id, err := strconv.ParseInt(key, 10, 64)
	if err != nil {
		slog.Warn("project configuration has a foreign key", "key", key)
		return
	}
	if s == nil {
		d.remove(id)
		return
	}
	s.Project = id
	d.put(s)
}

func (d *directory) put(s *project.Snapshot) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dropKeys(s.Project)
	d.projects[s.Project] = s
	delete(d.stale, s.Project)
	d.dirty, d.told = true, true
	files := &fileRules{settings: s.Settings.Scrubbing}
	for _, k := range s.Keys {
		key, err := dsn.ParseKey(k.PublicKey)
		if err != nil || key.IsZero() {
			continue
		}
		c := &client{project: s.Project, keyID: k.ID, active: k.Active, origins: s.Settings.AllowedOrigins, rules: rulesOf(s, &k), files: files}
		d.keys[key] = c
	}
}

func (d *directory) remove(id int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dropKeys(id)
	delete(d.projects, id)
	delete(d.stale, id)
	d.dirty = true
}

// dropKeys forgets the keys of a project; the caller holds the lock.
func (d *directory) dropKeys(id int64) {
	old := d.projects[id]
	if old == nil {
		return
	}
	for _, k := range old.Keys {
		if key, err := dsn.ParseKey(k.PublicKey); err == nil && d.keys[key] != nil && d.keys[key].project == id {
			delete(d.keys, key)
		}
	}
}

// synced drops what only the copy on disk knew, now that the bus has told all it knows. A bus that
// knows no project at all has lost them: what is on disk stays in force until it is told anew.
func (d *directory) synced() {
	d.mu.Lock()
	stale := slices.Collect(maps.Keys(d.stale))
	empty := len(stale) == len(d.projects) && len(stale) > 0
	d.mu.Unlock()
	if empty {
		slog.Warn("the bus knows no projects; saved configuration stays in force", "projects", len(stale))
		return
	}
	for _, id := range stale {
		d.remove(id)
	}
}

// save writes the copy on disk when it is out of date, by renaming a complete file into place.
func (d *directory) save(context.Context) error {
	d.mu.Lock()
	if !d.dirty {
		d.mu.Unlock()
		return nil
	}
	list := make([]project.Snapshot, 0, len(d.projects))
	for _, id := range slices.Sorted(maps.Keys(d.projects)) {
		list = append(list, *d.projects[id])
	}
	d.dirty = false
	d.mu.Unlock()
	err := writeJSON(d.path, list)
	if err != nil {
		d.mu.Lock()
		d.dirty = true
		d.mu.Unlock()
	}
	return err
}

// writeJSON replaces the file at path with v as JSON, readable by the owner alone. A crash leaves
// the old file or the new one.
func writeJSON(path string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", filepath.Base(path), err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	_, err = f.Write(body)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error is the one to report
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return nil
}

package operator

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	embeddedpg "github.com/tocsin-dev/tocsin/internal/embedded/postgres"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/telemetry"
)

// A backup is a folder, written under another name and renamed when it is whole:
//
//	manifest.json   release, time, schema version, sums of the other files
//	database.dump   everything in Postgres, as pg_dump's custom format
//	files.tar.gz    bootstrap.json, secret.key and blobs/ of the data folder
//
// What waits in the queues is not in it: it is seconds old, and the running installation keeps it.
const (
	manifestFile = "manifest.json"
	dumpFile     = "database.dump"
	filesFile    = "files.tar.gz"
)

// savedFiles are what a backup takes from the data folder.
var savedFiles = []string{"bootstrap.json", "secret.key", "blobs"}

type manifest struct {
	Release   string            `json:"release"`
	CreatedAt time.Time         `json:"created_at"`
	Schema    int64             `json:"schema"`
	Events    int64             `json:"events"`
	Issues    int64             `json:"issues"`
	Sums      map[string]string `json:"sha256"`
}

// BackupCmd saves an installation while it runs.
type BackupCmd struct {
	Data        string `help:"Folder of the installation." default:"./data" env:"TOCSIN_DATA" type:"path"`
	DatabaseURL string `name:"database-url" help:"Its Postgres, when that is not the private one." env:"TOCSIN_DATABASE_URL"`
	To          string `arg:"" help:"Folder to make; it must not exist." type:"path"`
}

// Run implements the command.
func (b *BackupCmd) Run(ctx context.Context, out io.Writer) error {
	if _, err := os.Stat(b.To); err == nil {
		return fault.New(fault.Conflict, "%s exists already; name a new folder", b.To)
	}
	url, err := databaseOf(b.DatabaseURL, b.Data)
	if err != nil {
		return err
	}
	part := b.To + ".part"
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	if err := os.MkdirAll(part, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(part)
	m := manifest{Release: telemetry.Version(), CreatedAt: time.Now().UTC().Truncate(time.Second), Sums: map[string]string{}}
	if err := m.count(ctx, url); err != nil {
		return err
	}
	if err := serverProgram(ctx, "pg_dump", url, "--format=custom", "--compress=1", "--no-owner", "--no-privileges", "--file="+filepath.Join(part, dumpFile)); err != nil {
		return err
	}
	if err := packFiles(b.Data, filepath.Join(part, filesFile)); err != nil {
		return err
	}
	for _, name := range []string{dumpFile, filesFile} {
		if m.Sums[name], err = sum(filepath.Join(part, name)); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(part, manifestFile), append(text, '\n'), 0o600); err != nil {
		return err
	}
	if err := os.Rename(part, b.To); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "saved %d events and %d issues to %s\nNow rehearse it: tocsin verify %s\n", m.Events, m.Issues, b.To, b.To)
	return err
}

// count takes down what the database holds before the dump: the restored one holds at least that.
func (m *manifest) count(ctx context.Context, url string) error {
	st, err := postgres.Open(ctx, url, postgres.Options{Name: "backup", MaxConns: 1})
	if err != nil {
		return err
	}
	defer st.Close()
	c, err := st.Census(ctx)
	m.Schema, m.Events, m.Issues = c.Schema, c.Events, c.Issues
	return err
}

// databaseOf is the address of an installation's database.
func databaseOf(given, data string) (string, error) {
	if given != "" {
		return given, nil
	}
	return embeddedpg.Address(filepath.Join(data, "postgres"))
}

// serverProgram runs one of the programs that come with the Postgres server. The address goes by the
// environment, so that its password is in no list of processes.
func serverProgram(ctx context.Context, name, url string, args ...string) error {
	dir, err := embeddedpg.Programs()
	if err != nil {
		return err
	}
	env, err := embeddedpg.Environment(url)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(dir, name), args...)
	cmd.Env = append(os.Environ(), env...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %.500s", name, err, strings.TrimSpace(said.String()))
	}
	return nil
}

func packFiles(data, name string) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	z := gzip.NewWriter(f)
	t := tar.NewWriter(z)
	for _, root := range savedFiles {
		err := filepath.WalkDir(filepath.Join(data, root), func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // none yet, or removed by the retention meanwhile
			}
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			return packFile(t, data, path)
		})
		if err != nil {
			return fmt.Errorf("save %s: %w", root, err)
		}
	}
	return errors.Join(t.Close(), z.Close(), f.Sync())
}

func packFile(t *tar.Writer, data, path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	name, err := filepath.Rel(data, path)
	if err != nil {
		return err
	}
	if err := t.WriteHeader(&tar.Header{Name: filepath.ToSlash(name), Mode: int64(info.Mode().Perm()), Size: info.Size(), ModTime: info.ModTime()}); err != nil {
		return err
	}
	_, err = io.CopyN(t, f, info.Size())
	return err
}

func sum(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), err
}

func readManifest(from string) (m manifest, err error) {
	text, err := os.ReadFile(filepath.Join(from, manifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return m, fault.New(fault.Unknown, "%s is no backup: it has no %s; name a folder that tocsin backup made", from, manifestFile)
	}
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fault.Wrap(err, fault.Invalid, "%s is no backup, or damaged: its %s cannot be read; use another one", from, manifestFile)
	}
	for _, name := range []string{dumpFile, filesFile} {
		got, err := sum(filepath.Join(from, name))
		if errors.Is(err, fs.ErrNotExist) {
			return m, fault.New(fault.Invalid, "the backup is not whole: %s is missing; use another one", name)
		}
		if err != nil {
			return m, err
		}
		if got != m.Sums[name] {
			return m, fault.New(fault.Invalid, "%s of the backup is damaged: its checksum differs; use another one", name)
		}
	}
	if known := postgres.LatestSchema(); m.Schema > known {
		return m, fault.New(fault.Conflict, "the backup is of a later release, %s (schema %d, this program's is %d); use the tocsin of that release", m.Release, m.Schema, known)
	}
	return m, nil
}

// RestoreCmd makes an installation from a backup.
type RestoreCmd struct {
	Data        string `help:"Folder to make the installation in; it must hold none." default:"./data" env:"TOCSIN_DATA" type:"path"`
	DatabaseURL string `name:"database-url" help:"An empty Postgres to restore into, instead of a private one." env:"TOCSIN_DATABASE_URL"`
	From        string `arg:"" help:"Folder that tocsin backup made." type:"path"`
}

// Run implements the command.
func (r *RestoreCmd) Run(ctx context.Context, out io.Writer) error {
	m, err := readManifest(r.From)
	if err != nil {
		return err
	}
	for _, name := range append([]string{"postgres", "nats"}, savedFiles...) {
		if _, err := os.Stat(filepath.Join(r.Data, name)); err == nil {
			return fault.New(fault.Conflict, "%s holds an installation (%s); name another folder with --data", r.Data, name)
		}
	}
	if err := os.MkdirAll(r.Data, 0o711); err != nil {
		return err
	}
	whole := false
	defer func() { // so that another try finds the folder as this one did
		if !whole {
			for _, name := range append([]string{"postgres"}, savedFiles...) {
				_ = os.RemoveAll(filepath.Join(r.Data, name))
			}
		}
	}()
	url := r.DatabaseURL
	if url == "" {
		server, err := embeddedpg.Start(ctx, embeddedpg.Options{Dir: filepath.Join(r.Data, "postgres")})
		if err != nil {
			return err
		}
		defer func() { _ = server.Stop() }()
		url = server.URL()
	}
	got, err := restore(ctx, r.From, url, m)
	if err != nil {
		return err
	}
	if err := unpackFiles(filepath.Join(r.From, filesFile), r.Data); err != nil {
		return err
	}
	whole = true
	_, err = fmt.Fprintf(out, "restored %d events and %d issues of %s\nStart it with: tocsin up --data %s\n", got.Events, got.Issues, m.CreatedAt.Format(time.DateTime), r.Data)
	return err
}

// restore fills an empty database and compares what it then holds with what was saved.
func restore(ctx context.Context, from, url string, m manifest) (postgres.Census, error) {
	if err := serverProgram(ctx, "pg_restore", url, "--exit-on-error", "--no-owner", "--no-privileges", "--dbname=", filepath.Join(from, dumpFile)); err != nil {
		return postgres.Census{}, err
	}
	if err := postgres.Migrate(ctx, url); err != nil { // of a backup by an earlier release
		return postgres.Census{}, err
	}
	st, err := postgres.Open(ctx, url, postgres.Options{Name: "restore", MaxConns: 1})
	if err != nil {
		return postgres.Census{}, err
	}
	defer st.Close()
	c, err := st.Census(ctx)
	switch {
	case err != nil:
		return c, err
	case c.Events < m.Events || c.Issues < m.Issues:
		return c, fmt.Errorf("the backup has %d events and %d issues, the restored database %d and %d", m.Events, m.Issues, c.Events, c.Issues)
	case c.Events != c.Identities || c.Unfolded == 0 && c.Counted != c.Events:
		return c, fmt.Errorf("the restored database does not add up: %d events, %d identities, %d counted", c.Events, c.Identities, c.Counted)
	}
	return c, nil
}

func unpackFiles(name, data string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(data) // names cannot leave the folder
	if err != nil {
		return err
	}
	defer root.Close()
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := root.MkdirAll(filepath.Dir(h.Name), 0o700); err != nil {
			return err
		}
		to, err := root.OpenFile(h.Name, os.O_CREATE|os.O_WRONLY|os.O_EXCL, fs.FileMode(h.Mode)&0o700)
		if err != nil {
			return err
		}
		_, err = io.CopyN(to, t, h.Size)
		if err = errors.Join(err, to.Sync(), to.Close()); err != nil {
			return err
		}
	}
}

// VerifyCmd rehearses a restore: into a private database that is thrown away.
type VerifyCmd struct {
	From string `arg:"" help:"Folder that tocsin backup made." type:"path"`
}

// Run implements the command.
func (v *VerifyCmd) Run(ctx context.Context, out io.Writer) error {
	m, err := readManifest(v.From)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "tocsin-verify-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o711); err != nil { // a private Postgres may run as another user
		return err
	}
	server, err := embeddedpg.Start(ctx, embeddedpg.Options{Dir: filepath.Join(dir, "postgres"), Scratch: true})
	if err != nil {
		return err
	}
	defer func() { _ = server.Stop() }()
	began := time.Now()
	c, err := restore(ctx, v.From, server.URL(), m)
	if err != nil {
		return err
	}
	if err := unpackFiles(filepath.Join(v.From, filesFile), dir); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "the backup of %s can be restored: %d events, %d issues, all counted once, in %.1f s\n",
		m.CreatedAt.Format(time.DateTime), c.Events, c.Issues, time.Since(began).Seconds())
	return err
}

package fleet

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tocsin-dev/tocsin/internal/bus"
	embedded "github.com/tocsin-dev/tocsin/internal/embedded/postgres"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// Services are the four programs, in the order in which a new release replaces them.
var Services = []string{"processor", "notifier", "web", "ingest"}

// Options say what to start.
type Options struct {
	Bin     string // folder of the built programs
	Root    string // where the folder of the fleet is made; empty: the system's folder for such things
	Proxies bool   // puts a proxy on every link
	// Prepare is called with the new folder before anything is started in it.
	Prepare func(dir string) error
	// Discard undoes what Prepare did beside the folder, after everything ended.
	Discard func(dir string)
	// Env is what a program's environment holds beside ours.
	Env map[string][]string
	// Args are more arguments of a program.
	Args map[string][]string
	// One starts "tocsin up", which is everything in one program, instead of four and their stores.
	One bool
	// Standby gives Postgres a synchronous copy of itself, for FailOver. Programs are told of both.
	Standby bool
	// Brokers is how many NATS servers make a cluster, which keeps every message on all of them. Zero: one.
	Brokers int
}

// Credentials are those of the first organization.
type Credentials struct {
	URL          string `json:"url"`
	DSN          string `json:"dsn"`
	Organization string `json:"organization"`
	Project      string `json:"project"`
	ProjectID    string `json:"project_id"`
	AuthToken    string `json:"auth_token"`
}

// Key is the client key of the DSN.
func (c Credentials) Key() string {
	u, err := url.Parse(c.DSN)
	if err != nil {
		return ""
	}
	return u.User.Username()
}

// Fleet is a running installation of separate programs.
type Fleet struct {
	Credentials
	Dir      string
	NATS     *Broker             // the first one
	Peers    []*Broker           // all of them
	Postgres *embedded.Server    // nil when tocsin up has its own
	Standby  *embedded.Server    // nil without one
	Programs map[string]*Program // by service
	Address  map[string]string   // by service
	Links    map[string]*Proxy   // "processor-postgres", "ingest-nats", "n1-n2", …

	o         Options
	passwords map[string]string // of the services' database roles
}

// Start starts everything and waits until it answers. Close ends it, also after a failure.
func Start(ctx context.Context, o Options) (f *Fleet, err error) {
	f = &Fleet{o: o, Programs: map[string]*Program{}, Address: map[string]string{}, Links: map[string]*Proxy{}, passwords: map[string]string{}}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, f.Log(4000))
			f.Close()
		}
	}()
	if err := f.folder(); err != nil {
		return f, err
	}
	if o.One {
		return f, f.one(ctx)
	}
	if err := f.stores(ctx); err != nil {
		return f, err
	}
	if err := f.describe(ctx); err != nil {
		return f, err
	}
	for _, s := range Services {
		if err := f.Programs[s].Start(); err != nil {
			return f, err
		}
	}
	for _, s := range Services {
		if err := f.Ready(ctx, s); err != nil {
			return f, err
		}
	}
	return f, nil
}

// folder makes what everything is kept in.
func (f *Fleet) folder() (err error) {
	if f.Dir, err = os.MkdirTemp(f.o.Root, "tocsin-fleet-"); err != nil {
		return err
	}
	if err := os.Chmod(f.Dir, 0o711); err != nil { // the private Postgres runs as another user
		return err
	}
	if f.o.Prepare != nil {
		if err := f.o.Prepare(f.Dir); err != nil {
			return fmt.Errorf("prepare the folder, which may need root: %w", err)
		}
	}
	return nil
}

// stores starts Postgres and NATS, brings both up to date and makes the first organization.
func (f *Fleet) stores(ctx context.Context) (err error) {
	if f.Postgres, err = embedded.Start(ctx, embedded.Options{Dir: filepath.Join(f.Dir, "postgres")}); err != nil {
		return err
	}
	if f.Peers, f.Links, err = newBrokers(ctx, f.o.Bin, f.Dir, max(f.o.Brokers, 1)); err != nil {
		return err
	}
	f.NATS = f.Peers[0]
	if err := f.NATS.Ready(ctx); err != nil {
		return err
	}
	for _, s := range Services {
		if s != "ingest" { // it never asks a database
			f.passwords[s] = rand.Text()
		}
	}
	// The leader of a cluster may not know all of its peers yet, and then has no place for a stream.
	if err := Await(ctx, 30*time.Second, func() error { return f.Migrate(ctx, f.o.Bin) }); err != nil {
		return err
	}
	for _, s := range Services {
		if f.Address[s], err = FreeAddress(); err != nil {
			return err
		}
	}
	out := filepath.Join(f.Dir, "bootstrap.json")
	if _, err := f.Tocsin(ctx, "bootstrap", "--database-url", f.Postgres.URL(), "--url", "http://"+f.Address["web"], "--ingest-url", "http://"+f.Address["ingest"], "--out", out); err != nil {
		return err
	}
	if f.o.Standby {
		if err := f.follow(ctx); err != nil {
			return fmt.Errorf("make a standby: %w", err)
		}
	}
	return f.credentials(out)
}

func (f *Fleet) credentials(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, &f.Credentials)
}

// Migrate brings schema, roles and streams up to the release whose programs are in bin.
func (f *Fleet) Migrate(ctx context.Context, bin string) error {
	var roles []string
	for service, password := range f.passwords {
		roles = append(roles, service+"="+password)
	}
	args := []string{"migrate", "--database-url", f.Postgres.URL(), "--nats-url", f.NATS.URL(bus.Admin), "--role-passwords", strings.Join(roles, ";")}
	if f.o.Brokers > 1 {
		args = append(args, "--nats-replicas", strconv.Itoa(f.o.Brokers))
	}
	if out, err := exec.CommandContext(ctx, filepath.Join(bin, "tocsin"), args...).CombinedOutput(); err != nil {
		return fmt.Errorf("tocsin migrate: %w\n%s", err, out)
	}
	return nil
}

// describe says how each program is started, and puts proxies on its links.
func (f *Fleet) describe(ctx context.Context) error {
	for _, s := range Services {
		database, err := f.DatabaseURL(s)
		if err != nil {
			return err
		}
		broker := f.BrokerURL(s)
		if f.o.Proxies {
			if broker, err = f.between(ctx, s, database); err != nil {
				return err
			}
			database.Host, database.RawQuery = f.Links[s+"-postgres"].Address(), "sslmode=disable"
		} else if f.Standby != nil {
			if err := f.bothHosts(database); err != nil {
				return err
			}
		}
		args := []string{"--listen", f.Address[s], "--database-url", database.String(), "--nats-url", broker, "--data", filepath.Join(f.Dir, "data"), "--url", f.Credentials.URL}
		if s == "notifier" { // receivers of alerts are on this machine
			args = append(args, "--allow-private-destinations", "127.0.0.0/8")
		}
		f.Programs[s] = NewProgram(f.Dir, filepath.Join(f.o.Bin, s), append(args, f.o.Args[s]...)...)
		f.Programs[s].Env = f.o.Env[s]
	}
	return nil
}

// BrokerURL is the address of every NATS server with the credentials of a service.
func (f *Fleet) BrokerURL(service string) string {
	var list []string
	for _, b := range f.Peers {
		list = append(list, b.URL(service))
	}
	return strings.Join(list, ",")
}

// DatabaseURL is Postgres' address with the role of a service; ingest, which has none, gets one
// that nobody may use.
func (f *Fleet) DatabaseURL(service string) (*url.URL, error) {
	u, err := url.Parse(f.Postgres.URL())
	if err != nil {
		return nil, err
	}
	u.User = url.UserPassword(postgres.RoleName(strings.TrimPrefix(u.Path, "/"), service), f.passwords[service])
	return u, nil
}

// between makes the proxies of one service and returns the address of the broker that leads through.
func (f *Fleet) between(ctx context.Context, service string, database *url.URL) (broker string, err error) {
	n, err := listen(ctx, dialer("tcp", f.NATS.Address))
	if err != nil {
		return "", err
	}
	f.Links[service+"-nats"] = n
	p, err := listen(ctx, dialer("unix", filepath.Join(database.Query().Get("host"), ".s.PGSQL.5432")))
	if err != nil {
		return "", err
	}
	f.Links[service+"-postgres"] = p
	return f.NATS.url(service, n.Address()), nil
}

// Tocsin runs one command of the operator's program to its end and returns what it printed.
func (f *Fleet) Tocsin(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(f.o.Bin, "tocsin"), args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("tocsin %s: %w\n%s", args[0], err, stderr.String())
	}
	return out, nil
}

// Ready waits until a service answers that it is.
func (f *Fleet) Ready(ctx context.Context, service string) error {
	if err := Await(ctx, 2*time.Minute, func() error { return Healthy(ctx, f.Address[service]) }); err != nil {
		return fmt.Errorf("%s: %w", service, err)
	}
	return nil
}

// Program is a service's, or the one of "nats".
func (f *Fleet) Program(name string) *Program {
	if name == "nats" {
		return f.NATS.Program
	}
	return f.Programs[name]
}

// KillPostgres kills the whole cluster as a power cut would; its supervisor starts it again.
func (f *Fleet) KillPostgres() error {
	text, err := os.ReadFile(filepath.Join(f.Dir, "postgres", "data", "postmaster.pid"))
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		return err
	}
	return syscall.Kill(pid, syscall.SIGKILL)
}

// Restart kills everything, has change done to the folder, and starts again on what is there then.
func (f *Fleet) Restart(ctx context.Context, change func() error) error {
	for _, s := range Services {
		f.Programs[s].Kill()
	}
	f.NATS.Kill()
	if err := errors.Join(f.Postgres.Stop(), change()); err != nil {
		return err
	}
	var err error
	if f.Postgres, err = embedded.Start(ctx, embedded.Options{Dir: filepath.Join(f.Dir, "postgres")}); err != nil {
		return err
	}
	if err := errors.Join(f.NATS.Start(), f.NATS.Ready(ctx)); err != nil {
		return err
	}
	for _, s := range Services {
		if err := f.Programs[s].Start(); err != nil {
			return err
		}
	}
	for _, s := range Services {
		if err := f.Ready(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// Log is the end of what the programs printed.
func (f *Fleet) Log(most int) string {
	text, _ := os.ReadFile(filepath.Join(f.Dir, "log"))
	return string(text[max(0, len(text)-most):])
}

// Close ends everything. It may be called again.
func (f *Fleet) Close() {
	for _, s := range Services {
		f.Programs[s].Kill()
	}
	f.Programs[everything].Kill()
	for _, b := range f.Peers {
		b.Kill()
	}
	for _, l := range f.Links {
		l.Close()
	}
	_ = f.stopPostgres()
}

// Remove ends everything and deletes the folder.
func (f *Fleet) Remove() {
	f.Close()
	for _, folder := range []string{"postgres", "nats", "data"} { // any may be a file system of its own
		_ = syscall.Unmount(filepath.Join(f.Dir, folder), syscall.MNT_DETACH)
	}
	if f.o.Discard != nil {
		f.o.Discard(f.Dir)
	}
	_ = os.RemoveAll(f.Dir)
}

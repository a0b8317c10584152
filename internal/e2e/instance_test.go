package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	embedded "github.com/tocsin-dev/tocsin/internal/embedded/postgres"
)

// program is one running program of ours, with what it printed.
type program struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	done chan struct{}
	err  error // of Wait, after done
	log  *safeBuffer
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// launch starts a program; it is killed at the end of the test if it still runs.
func launch(t *testing.T, env []string, name string, args ...string) *program {
	t.Helper()
	p := &program{t: t, name: filepath.Base(name), done: make(chan struct{}), log: new(safeBuffer)}
	if !strings.Contains(name, "/") {
		name = filepath.Join(bin, name)
	}
	p.cmd = exec.Command(name, args...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	// A group of its own, so that what it started can be ended with it.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", p.name, err)
	}
	go func() { p.err = p.cmd.Wait(); close(p.done) }()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("%s printed:\n%s", p.name, tail(p.log.String(), 6000))
		}
	})
	return p
}

func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}

// stop ends the program in order, and hard when it does not.
func (p *program) stop() {
	select {
	case <-p.done:
		return
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(12 * time.Second):
		p.t.Errorf("%s did not stop within 12 s of SIGTERM", p.name)
		p.kill()
	}
}

// kill ends the program as a power switch would.
func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// await waits until ready answers nil.
func (p *program) await(what string, limit time.Duration, ready func(context.Context) error) {
	p.t.Helper()
	if err := eventually(p.t.Context(), limit, ready, p.done); err != nil {
		p.t.Fatalf("%s: %s: %v\n%s", p.name, what, err, tail(p.log.String(), 4000))
	}
}

// eventually calls f every 50 ms until it answers nil, ended closes, or limit has passed.
func eventually(ctx context.Context, limit time.Duration, f func(context.Context) error, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		err := f(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil { // what the deadline itself broke says nothing
			last = err
		}
		select {
		case <-ended:
			return fmt.Errorf("the program ended: %w", last)
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", limit, last)
		case <-tick.C:
		}
	}
}

// instance is a running tocsin up.
type instance struct {
	*program
	data     string
	database string // address of its Postgres, when that is not a private one
	server   *embedded.Server
	credentials
}

type credentials struct {
	URL          string `json:"url"`
	DSN          string `json:"dsn"`
	Organization string `json:"organization"`
	Project      string `json:"project"`
	ProjectID    string `json:"project_id"`
	Email        string `json:"email"`
	Password     string `json:"password"`
	AuthToken    string `json:"auth_token"`
}

// up starts tocsin up in a folder of its own and waits until it is ready.
func up(t *testing.T, env ...string) *instance {
	t.Helper()
	data, err := os.MkdirTemp("", "tocsin-data-")
	if err != nil {
		t.Fatal(err)
	}
	_ = os.Chmod(data, 0o711)
	t.Cleanup(func() { _ = os.RemoveAll(data) })
	return upIn(t, data, freeAddress(t), env...)
}

func upIn(t *testing.T, data, listen string, env ...string) *instance {
	t.Helper()
	in := &instance{data: data}
	in.program = launch(t, env, "tocsin", "up", "--listen", listen, "--data", data)
	in.await("readiness", 60*time.Second, healthy("http://"+listen))
	in.credentials = readCredentials(t, filepath.Join(data, "bootstrap.json"))
	return in
}

// prepare makes a folder and a migrated, bootstrapped database that the test can reach, for an
// instance that knows its address; start then runs it.
func (in *instance) prepare(t *testing.T) *pgx.Conn {
	t.Helper()
	dir, err := os.MkdirTemp("", "tocsin-prepared-")
	if err != nil {
		t.Fatal(err)
	}
	_ = os.Chmod(dir, 0o711)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	in.data = dir
	in.startDatabase(t)
	t.Cleanup(func() { _ = in.server.Stop() })
	in.database = in.server.URL()
	run(t, "migrate", "--database-url", in.database)
	run(t, "bootstrap", "--database-url", in.database, "--url", in.URL, "--out", filepath.Join(dir, "bootstrap.json"))
	in.credentials = readCredentials(t, filepath.Join(dir, "bootstrap.json"))
	conn, err := pgx.Connect(t.Context(), in.database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// startDatabase starts the database of a prepared instance, for the first time or once more.
func (in *instance) startDatabase(t *testing.T) {
	t.Helper()
	server, err := embedded.Start(t.Context(), embedded.Options{Dir: filepath.Join(in.data, "postgres"), Scratch: true})
	if err != nil {
		t.Fatal(err)
	}
	in.server = server
}

// stopDatabase takes the database away from a prepared instance.
func (in *instance) stopDatabase(t *testing.T) {
	t.Helper()
	if err := in.server.Stop(); err != nil {
		t.Fatal(err)
	}
}

// start runs a prepared instance and waits until it is ready.
func (in *instance) start(t *testing.T, env ...string) {
	t.Helper()
	in.program = launch(t, env, "tocsin", "up", "--listen", strings.TrimPrefix(in.URL, "http://"), "--data", in.data, "--database-url", in.database)
	in.await("readiness", 60*time.Second, healthy(in.URL))
}

// run executes one tocsin command to its end and returns what it printed.
func run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "tocsin"), args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tocsin %s: %v\n%s%s", args[0], err, out, stderr.String())
	}
	return string(out)
}

func readCredentials(t *testing.T, name string) (c credentials) {
	t.Helper()
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func healthy(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		status, body, err := fetch(ctx, http.MethodGet, url+"/_health/", "", nil)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("/_health/ answers %d: %s", status, body)
		}
		return err
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

var client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

func fetch(ctx context.Context, method, url, token string, body []byte, headers ...string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	return res.StatusCode, answer, err
}

// api reads a path below /api/0/ into v.
func (in *instance) api(ctx context.Context, path string, v any) error {
	status, body, err := fetch(ctx, http.MethodGet, in.URL+"/api/0/"+path, in.AuthToken, nil)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("GET %s: %d %s", path, status, tail(string(body), 500))
	}
	return json.Unmarshal(body, v)
}

// key is the public key of the DSN.
func (c credentials) key() string {
	_, rest, _ := strings.Cut(c.DSN, "://")
	key, _, _ := strings.Cut(rest, "@")
	return key
}

// ingestURL is the scheme and host of the DSN.
func (c credentials) ingestURL() string {
	scheme, rest, _ := strings.Cut(c.DSN, "://")
	_, host, _ := strings.Cut(rest, "@")
	host, _, _ = strings.Cut(host, "/")
	return scheme + "://" + host
}

// send posts one event as an envelope and returns the status.
func (c credentials) send(ctx context.Context, eventID, event string) (int, error) {
	body := fmt.Appendf(nil, "{\"event_id\":%q}\n{\"type\":\"event\",\"length\":%d}\n%s\n", eventID, len(event), event)
	status, _, err := fetch(ctx, http.MethodPost, c.ingestURL()+"/api/"+c.ProjectID+"/envelope/", "", body,
		"X-Sentry-Auth", "Sentry sentry_version=7, sentry_key="+c.key())
	return status, err
}

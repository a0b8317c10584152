package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tocsin-dev/tocsin/internal/testkit/fleet"
)

// installation is a running tocsin with a data folder of its own.
type installation struct {
	cmd  *exec.Cmd
	exit chan error
	data string
	took time.Duration
	http *http.Client
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

// start runs tocsin up with further flags and waits until it is ready; an empty data makes a fresh folder.
func start(ctx context.Context, o options, data string, flags ...string) (*installation, error) {
	in := &installation{data: data, exit: make(chan error, 1)}
	if data == "" {
		dir, err := os.MkdirTemp(o.dataRoot, "tocsin-bench-")
		if err != nil {
			return nil, err
		}
		if err := os.Chmod(dir, 0o711); err != nil { // a private Postgres runs as another user
			return nil, err
		}
		in.data = dir
	}
	address, err := fleet.FreeAddress()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(in.data, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	in.cmd = exec.Command(o.tocsin, "up", "--listen", address, "--data", in.data)
	in.cmd.Args = append(in.cmd.Args, flags...)
	in.cmd.Stdout, in.cmd.Stderr = log, log
	in.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	began := time.Now()
	if err := in.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { in.exit <- in.cmd.Wait() }()
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	in.http = &http.Client{Timeout: 30 * time.Second, Jar: jar}
	in.URL = "http://" + address
	if err := in.await(ctx, time.Minute, func() error { return in.get(ctx, in.URL+"/_health/", nil) }); err != nil {
		return nil, fmt.Errorf("%w; see %s", err, log.Name())
	}
	in.took = time.Since(began)
	body, err := os.ReadFile(filepath.Join(in.data, "bootstrap.json"))
	if err != nil {
		return nil, err
	}
	err = json.Unmarshal(body, &in.credentials)
	in.URL = "http://" + address
	return in, err
}

// await calls f until it succeeds, or the program ends.
func (in *installation) await(ctx context.Context, limit time.Duration, f func() error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case exit := <-in.exit:
			in.exit <- exit
			cancel(fmt.Errorf("tocsin ended: %v", exit))
		case <-ctx.Done():
		}
	}()
	if err := fleet.Await(ctx, limit, f); err != nil {
		return cmp.Or(context.Cause(ctx), err)
	}
	return nil
}

// get reads a document of the API, or any page when v is nil.
func (in *installation) get(ctx context.Context, address string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	if v != nil {
		req.Header.Set("Authorization", "Bearer "+in.AuthToken)
	}
	res, err := in.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", address, res.Status)
	}
	if v == nil {
		return nil
	}
	return json.Unmarshal(body, v)
}

func (in *installation) pid() int { return in.cmd.Process.Pid }

func (in *installation) target() target {
	return target{strings.TrimPrefix(in.URL, "http://"), []sender{{in.ProjectID, in.key()}}}
}

// key is the client key of the DSN.
func (c credentials) key() string {
	_, rest, _ := strings.Cut(c.DSN, "://")
	key, _, _ := strings.Cut(rest, "@")
	return key
}

// drained waits until the API shows want events over all issues and returns how many it shows.
func (in *installation) drained(ctx context.Context, want int64, limit time.Duration) (int64, error) {
	var shown int64
	err := in.await(ctx, limit, func() error {
		var issues []struct{ Count string }
		if err := in.get(ctx, in.URL+"/api/0/organizations/"+in.Organization+"/issues/?query=&limit=100&collapse=stats", &issues); err != nil {
			return err
		}
		shown = 0
		for _, i := range issues {
			n, err := strconv.ParseInt(i.Count, 10, 64)
			if err != nil {
				return err
			}
			shown += n
		}
		if shown < want {
			return fmt.Errorf("%d of %d events are stored", shown, want)
		}
		return nil
	})
	return shown, err
}

// signIn makes the client's later requests those of the owner.
func (in *installation) signIn(ctx context.Context) error {
	form := url.Values{"email": {in.Email}, "password": {in.Password}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, in.URL+"/login", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", in.URL)
	res, err := in.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Request.URL.Path == "/login" {
		return errors.New("sign-in was refused")
	}
	return nil
}

// limitKey gives the project's key a limit of one event a day.
func (in *installation) limitKey(ctx context.Context) error {
	keys := in.URL + "/api/0/projects/" + in.Organization + "/" + in.Project + "/keys/"
	var list []struct{ ID string }
	if err := in.get(ctx, keys, &list); err != nil || len(list) == 0 {
		return fmt.Errorf("%d client keys: %w", len(list), err)
	}
	limit := map[string]any{"rateLimit": map[string]int{"count": 1, "window": 86400}}
	return in.send(ctx, http.MethodPut, keys+list[0].ID+"/", limit, &list[0])
}

// send asks the API for a change and reads its answer into v.
func (in *installation) send(ctx context.Context, method, address string, body, v any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+in.AuthToken)
	req.Header.Set("Content-Type", "application/json")
	res, err := in.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s %.200s", method, address, res.Status, answer)
	}
	return json.Unmarshal(answer, v)
}

// stop ends the program in order.
func (in *installation) stop() error {
	_ = in.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-in.exit:
		in.exit <- err
		return err
	case <-time.After(15 * time.Second):
		return errors.New("tocsin did not stop within 15 s")
	}
}

// remove ends the program hard if it still runs and deletes its folder.
func (in *installation) remove() {
	_ = in.cmd.Process.Kill()
	select {
	case <-in.exit:
	case <-time.After(5 * time.Second):
	}
	_ = os.RemoveAll(in.data)
}

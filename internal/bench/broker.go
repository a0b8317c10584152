package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/tocsin-dev/tocsin/internal/bus"
)

// natsRole makes this program a NATS server, so that one can be killed as a process.
const natsRole = "nats-server"

// serveNATS runs a server with the configuration file until it is killed.
func serveNATS(config string) error {
	opts, err := natsserver.ProcessConfigFile(config)
	if err != nil {
		return err
	}
	srv, err := natsserver.NewServer(opts)
	if err != nil {
		return err
	}
	if err := natsserver.Run(srv); err != nil {
		return err
	}
	srv.WaitForShutdown()
	return nil
}

// broker is a NATS server of its own, with the users and permissions that the bindings ask for.
type broker struct {
	dir, address string
	users        map[string]string // passwords
	cmd          *exec.Cmd
}

// newBroker starts a server that keeps everything in dir.
func newBroker(ctx context.Context, bin, dir string) (*broker, error) {
	b := &broker{dir: dir, users: map[string]string{}}
	var err error
	if b.address, err = freeAddress(); err != nil {
		return nil, err
	}
	conf, err := exec.CommandContext(ctx, filepath.Join(bin, "tocsin"), "bindings", "nats-config", "--listen", b.address, "--store-dir", filepath.Join(dir, "nats")).Output()
	if err != nil {
		return nil, fmt.Errorf("tocsin bindings nats-config: %w", err)
	}
	if err := os.WriteFile(b.config(), conf, 0o600); err != nil {
		return nil, err
	}
	for _, m := range regexp.MustCompile(`user: "(\w+)"\s+password: "(\w+)"`).FindAllStringSubmatch(string(conf), -1) {
		b.users[m[1]] = m[2]
	}
	return b, b.start(ctx)
}

func (b *broker) config() string { return filepath.Join(b.dir, "nats.conf") }

// start runs the server, again after it was killed.
func (b *broker) start(ctx context.Context) (err error) {
	if b.cmd, err = launch(b.dir, os.Args[0], natsRole, b.config()); err != nil {
		return err
	}
	return retry(ctx, 60*time.Second, func() error {
		nc, err := bus.ConnectAdmin(b.url(bus.Admin))
		if err == nil {
			nc.Close()
		}
		return err
	})
}

// url is the server's address with the credentials of a user.
func (b *broker) url(user string) string {
	return "nats://" + user + ":" + b.users[user] + "@" + b.address
}

// launch starts a program that logs to a file in dir.
func launch(dir, program string, args ...string) (*exec.Cmd, error) {
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd, cmd.Start()
}

// kill ends a program as a power switch would; one that ended already, or never began, is none the worse.
func kill(cmd *exec.Cmd) {
	if cmd != nil && cmd.Process != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

// healthy waits until the program at address says that it is.
func healthy(ctx context.Context, address string) error {
	return retry(ctx, time.Minute, func() error {
		res, err := http.Get("http://" + address + "/_health/")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return errors.New(res.Status)
		}
		return nil
	})
}

package fleet

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/disk"
)

// brokerRole as the first argument makes this program a NATS server.
const brokerRole = "nats-server"

// ServeBroker runs a NATS server when this process was started as one, and reports whether it was.
// It returns when the server ends.
func ServeBroker() bool {
	if len(os.Args) != 3 || os.Args[1] != brokerRole {
		return false
	}
	opts, err := natsserver.ProcessConfigFile(os.Args[2])
	if err == nil {
		var srv *natsserver.Server
		if srv, err = natsserver.NewServer(opts); err == nil {
			srv.ConfigureLogger()
			err = natsserver.Run(srv)
			srv.WaitForShutdown()
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "nats-server:", err)
		os.Exit(1)
	}
	return true
}

// Broker is a NATS server of its own, with the users and permissions that the bindings ask for.
type Broker struct {
	*Program
	Name    string // in its cluster
	Address string
	users   map[string]string // passwords
}

// NewBroker starts a server that keeps everything in dir; bin is the folder of the built programs.
func NewBroker(ctx context.Context, bin, dir string) (*Broker, error) {
	list, err := newBrokers(ctx, bin, dir, 1)
	if err != nil {
		return nil, err
	}
	return list[0], list[0].Ready(ctx)
}

// newBrokers starts n servers, as one cluster when they are several. They need not be ready yet.
func newBrokers(ctx context.Context, bin, dir string, n int) ([]*Broker, error) {
	const listen, store = "LISTEN", "STORE"
	conf, err := exec.CommandContext(ctx, filepath.Join(bin, "tocsin"), "bindings", "nats-config", "--listen", listen, "--store-dir", store).Output()
	if err != nil {
		return nil, fmt.Errorf("tocsin bindings nats-config: %w", err)
	}
	// By default a server promises no more than the disk has; a full disk is what some want to see.
	text := strings.Replace(string(conf), "jetstream {\n", "jetstream {\n  max_file_store: 32GB\n", 1)
	users := map[string]string{}
	for _, m := range regexp.MustCompile(`user: "(\w+)"\s+password: "(\w+)"`).FindAllStringSubmatch(text, -1) {
		users[m[1]] = m[2]
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	list, routes := make([]*Broker, n), make([]string, n)
	for i := range list {
		list[i] = &Broker{Name: fmt.Sprintf("n%d", i+1), users: users}
		if list[i].Address, err = FreeAddress(); err != nil {
			return nil, err
		}
		if routes[i], err = FreeAddress(); err != nil {
			return nil, err
		}
	}
	for i, b := range list {
		folder, file := filepath.Join(dir, "nats"), filepath.Join(dir, "nats.conf")
		own := text
		if n > 1 {
			folder, file = filepath.Join(folder, b.Name), filepath.Join(dir, b.Name+".conf")
			own += fmt.Sprintf("server_name: %s\ncluster {\n  name: fleet\n  listen: %q\n  routes: [\"nats://%s\"]\n}\n", b.Name, routes[i], strings.Join(routes, `", "nats://`))
		}
		own = strings.NewReplacer(`"`+listen+`"`, `"`+b.Address+`"`, `"`+store+`"`, `"`+folder+`"`).Replace(own)
		if err := disk.Replace(file, []byte(own)); err != nil {
			return nil, err
		}
		b.Program = NewProgram(dir, self, brokerRole, file)
		if err := b.Start(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Ready waits until the server takes connections.
func (b *Broker) Ready(ctx context.Context) error {
	return Await(ctx, time.Minute, func() error {
		nc, err := bus.ConnectAdmin(b.URL(bus.Admin))
		if err != nil {
			return err
		}
		defer nc.Close()
		js, err := jetstream.New(nc)
		if err == nil {
			_, err = js.AccountInfo(ctx) // of a cluster, only when it has a leader
		}
		return err
	})
}

// URL is the server's address with the credentials of a user.
func (b *Broker) URL(user string) string { return b.url(user, b.Address) }

func (b *Broker) url(user, address string) string {
	return "nats://" + user + ":" + b.users[user] + "@" + address
}

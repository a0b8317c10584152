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
	list, _, err := newBrokers(ctx, bin, dir, 1)
	if err != nil {
		return nil, err
	}
	return list[0], list[0].Ready(ctx)
}

// newBrokers starts n servers, as one cluster when they are several, with a link from each to each other,
// such as "n1-n2". They need not be ready yet.
func newBrokers(ctx context.Context, bin, dir string, n int) ([]*Broker, map[string]*Proxy, error) {
	text, users, err := brokerConfig(ctx, bin)
	if err != nil {
		return nil, nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	list, routes, links := make([]*Broker, n), make([]string, n), map[string]*Proxy{}
	for i := range list {
		list[i] = &Broker{Name: fmt.Sprintf("n%d", i+1), users: users}
		if list[i].Address, err = FreeAddress(); err != nil {
			return nil, nil, err
		}
		if routes[i], err = FreeAddress(); err != nil {
			return nil, nil, err
		}
	}
	for i, b := range list {
		folder, file, own := filepath.Join(dir, "nats"), filepath.Join(dir, "nats.conf"), text
		if n > 1 {
			folder, file = filepath.Join(folder, b.Name), filepath.Join(dir, b.Name+".conf")
			var peers []string
			for j, peer := range list {
				if j == i {
					continue
				}
				p, err := listen(ctx, dialer("tcp", routes[j]))
				if err != nil {
					return list, links, err
				}
				links[b.Name+"-"+peer.Name] = p
				peers = append(peers, "nats://"+p.Address())
			}
			// What others tell of a server leads nowhere: every route goes over a link.
			own += fmt.Sprintf("server_name: %s\ncluster {\n  name: fleet\n  listen: %q\n  advertise: \"127.0.0.1:1\"\n  routes: [\"%s\"]\n}\n", b.Name, routes[i], strings.Join(peers, `", "`))
		}
		own = strings.NewReplacer(`"`+listenHere+`"`, `"`+b.Address+`"`, `"`+storeHere+`"`, `"`+folder+`"`).Replace(own)
		if err := disk.Replace(file, []byte(own)); err != nil {
			return list, links, err
		}
		b.Program = NewProgram(dir, self, brokerRole, file)
		if err := b.Start(); err != nil {
			return list, links, err
		}
	}
	return list, links, nil
}

// What stands in a configuration for a server's address and folder.
const listenHere, storeHere = "LISTEN", "STORE"

// brokerConfig is the configuration that operators get, and the passwords in it.
func brokerConfig(ctx context.Context, bin string) (text string, users map[string]string, err error) {
	conf, err := exec.CommandContext(ctx, filepath.Join(bin, "tocsin"), "bindings", "nats-config", "--listen", listenHere, "--store-dir", storeHere).Output()
	if err != nil {
		return "", nil, fmt.Errorf("tocsin bindings nats-config: %w", err)
	}
	users = map[string]string{}
	for _, m := range regexp.MustCompile(`user: "(\w+)"\s+password: "(\w+)"`).FindAllStringSubmatch(string(conf), -1) {
		users[m[1]] = m[2]
	}
	// By default a server promises no more than the disk has; a full disk is what some want to see.
	return strings.Replace(string(conf), "jetstream {\n", "jetstream {\n  max_file_store: 32GB\n", 1), users, nil
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

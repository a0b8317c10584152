package bus

import (
	"time"

	"github.com/nats-io/nats.go"
)

// ConnectAdmin opens a connection with the administrator's rights; the address carries the user
// and password when the broker asks for them. The caller closes it. fault.Unavailable: the broker
// is away or refuses.
func ConnectAdmin(url string) (*nats.Conn, error) {
	nc, err := nats.Connect(url, nats.Name(Admin), nats.CustomInboxPrefix(inboxPrefix(Admin)), nats.Timeout(5*time.Second))
	return nc, translate(err, "connect to the bus as %s", Admin)
}

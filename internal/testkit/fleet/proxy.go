package fleet

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Proxy is one link between two programs, which can be made slow, silent, or cut.
type Proxy struct {
	ln      net.Listener
	dial    func(context.Context) (net.Conn, error)
	Latency atomic.Int64 // nanoseconds added to each piece
	Rate    atomic.Int64 // bytes a second; 0: no limit
	Loss    atomic.Int64 // of 100 pieces, how many come a retransmission late: that is what a loss looks like through TCP
	Silent  atomic.Bool  // nothing passes, nothing is closed: a half-open link
	Refuse  atomic.Bool  // connections are closed as soon as they come
	CutAt   atomic.Int64 // commits until the answer to one is cut off; 0: never

	mu    sync.Mutex
	conns map[net.Conn]bool
	group sync.WaitGroup
	stop  context.CancelFunc
}

// retransmission is how long a lost piece takes until it comes again: Linux waits so long at least.
const retransmission = 200 * time.Millisecond

// NewProxy opens a link to the first of some TCP addresses that takes a connection.
func NewProxy(ctx context.Context, to ...string) (*Proxy, error) {
	return listen(ctx, func(ctx context.Context) (conn net.Conn, err error) {
		for _, address := range to {
			if conn, err = dialer("tcp", address)(ctx); err == nil {
				return conn, nil
			}
		}
		return nil, err
	})
}

// listen opens a link to what dial reaches.
func listen(ctx context.Context, dial func(context.Context) (net.Conn, error)) (*Proxy, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	p := &Proxy{ln: ln, dial: dial, conns: map[net.Conn]bool{}, stop: stop}
	p.group.Go(func() { p.accept(ctx) })
	return p, nil
}

func dialer(network, address string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, address)
	}
}

// Address is where it listens.
func (p *Proxy) Address() string { return p.ln.Addr().String() }

func (p *Proxy) accept(ctx context.Context) {
	for {
		front, err := p.ln.Accept()
		if err != nil {
			return
		}
		p.group.Go(func() {
			if !p.keep(front) {
				return
			}
			defer p.drop(front)
			if p.Refuse.Load() || !p.wait(ctx) {
				return
			}
			back, err := p.dial(ctx)
			if err != nil || !p.keep(back) {
				return
			}
			defer p.drop(back)
			done := make(chan struct{}, 2)
			go func() { p.copy(ctx, back, front, false); done <- struct{}{} }()
			go func() { p.copy(ctx, front, back, true); done <- struct{}{} }()
			<-done
			front.Close()
			back.Close()
			<-done
		})
	}
}

// wait holds until the link is not silent.
func (p *Proxy) wait(ctx context.Context) bool {
	for p.Silent.Load() {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
	return ctx.Err() == nil
}

func (p *Proxy) copy(ctx context.Context, dst, src net.Conn, answers bool) {
	buf := make([]byte, 32<<10)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			if d := time.Duration(p.Latency.Load()); d > 0 {
				time.Sleep(d)
			}
			if rand.Int64N(100) < p.Loss.Load() {
				time.Sleep(retransmission)
			}
			if r := p.Rate.Load(); r > 0 {
				time.Sleep(time.Duration(n) * time.Second / time.Duration(r))
			}
			if !p.wait(ctx) || answers && p.cutsHere(buf[:n]) {
				return
			}
			if _, err := dst.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// cutsHere reports whether this piece ends a commit whose answer the client is not to see. Whoever
// asked then does not know whether it committed: it did.
func (p *Proxy) cutsHere(piece []byte) bool {
	if p.CutAt.Load() == 0 || !bytes.Contains(piece, commitDone) {
		return false
	}
	return p.CutAt.Add(-1) == 0
}

// commitDone is the message CommandComplete of a commit.
// Rule: https://www.postgresql.org/docs/15/protocol-message-formats.html
var commitDone = func() []byte {
	tag := "COMMIT\x00"
	return append(binary.BigEndian.AppendUint32([]byte{'C'}, uint32(4+len(tag))), tag...)
}()

func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns == nil {
		c.Close()
		return false
	}
	p.conns[c] = true
	return true
}

func (p *Proxy) drop(c net.Conn) {
	c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// Reset cuts every connection that is open.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

// Heal makes the link a good one again.
func (p *Proxy) Heal() {
	p.Latency.Store(0)
	p.Rate.Store(0)
	p.Loss.Store(0)
	p.Silent.Store(false)
	p.CutAt.Store(0)
}

// Close ends the link and every connection over it.
func (p *Proxy) Close() {
	p.stop()
	p.ln.Close()
	p.Reset()
	p.mu.Lock()
	p.conns = nil
	p.mu.Unlock()
	p.group.Wait()
}

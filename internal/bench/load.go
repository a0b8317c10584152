package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// target is where events go.
type target struct {
	address string
	senders []sender // events are spread evenly over them
}

// sender is a project and a client key of it.
type sender struct{ project, key string }

// result is what one load did.
type result struct {
	Accepted int             `json:"accepted"`
	Refused  int             `json:"refused"`
	Seconds  float64         `json:"seconds"`
	latency  []time.Duration // of accepted events, ascending; from the intended time in open loop
}

func (r *result) perSecond() float64 { return float64(r.Accepted) / r.Seconds }

// quantile is in milliseconds.
func (r *result) quantile(q float64) float64 {
	if len(r.latency) == 0 {
		return 0
	}
	return float64(r.latency[min(len(r.latency)-1, int(q*float64(len(r.latency))))].Microseconds()) / 1000
}

// run sends events over connections for a time: as fast as answers come when rate is 0, else at
// rate events a second, where latency counts from the time an event should have been sent.
func (to target) run(ctx context.Context, list []body, connections int, d time.Duration, rate float64) (*result, error) {
	var (
		mu    sync.Mutex
		total result
		group sync.WaitGroup
		next  atomic.Int64
		fail  error
	)
	start := time.Now()
	end := start.Add(d)
	for c := range connections {
		group.Go(func() {
			res, err := to.worker(ctx, list, uint64(c), func() (time.Time, bool) {
				at := time.Now()
				if rate > 0 {
					at = start.Add(time.Duration(float64(next.Add(1)-1) / rate * float64(time.Second)))
					time.Sleep(time.Until(at))
				}
				return at, at.Before(end) && ctx.Err() == nil
			})
			mu.Lock()
			defer mu.Unlock()
			total.Accepted += res.Accepted
			total.Refused += res.Refused
			total.latency = append(total.latency, res.latency...)
			if err != nil {
				fail = err
			}
		})
	}
	group.Wait()
	total.Seconds = time.Since(start).Seconds()
	slices.Sort(total.latency)
	return &total, fail
}

// worker sends on one connection for as long as next says so.
func (to target) worker(ctx context.Context, list []body, seed uint64, next func() (time.Time, bool)) (result, error) {
	var res result
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", to.address)
	if err != nil {
		return res, err
	}
	defer conn.Close()
	var (
		rng  = rand.New(rand.NewPCG(seed, uint64(time.Now().UnixNano())))
		in   = bufio.NewReaderSize(conn, 4096)
		out  []byte
		id   [16]byte
		text [32]byte
	)
	for n := int(seed); ; n++ {
		at, more := next()
		if !more {
			return res, nil
		}
		for i := range id {
			id[i] = byte(rng.Uint32())
		}
		hex.Encode(text[:], id[:])
		from := to.senders[rng.IntN(len(to.senders))]
		out = from.request(out[:0], to.address, &list[n%len(list)], string(text[:]), rng.IntN(50_000))
		if _, err := conn.Write(out); err != nil {
			return res, err
		}
		status, err := readAnswer(in)
		if err != nil {
			return res, err
		}
		if status == http.StatusOK {
			res.Accepted++
			res.latency = append(res.latency, time.Since(at))
		} else {
			res.Refused++
		}
	}
}

func (from sender) request(out []byte, host string, b *body, id string, user int) []byte {
	uid := strconv.Itoa(user)
	length := len(b.parts[0]) + len(b.parts[1]) + len(b.parts[2]) + len(id) + len(uid)
	head := `{"event_id":"` + id + `"}` + "\n" + `{"type":"event","length":` + strconv.Itoa(length) + "}\n"
	out = fmt.Appendf(out, "POST /api/%s/envelope/ HTTP/1.1\r\nHost: %s\r\nX-Sentry-Auth: Sentry sentry_version=7, sentry_key=%s, sentry_client=bench/1\r\nContent-Length: %d\r\n\r\n",
		from.project, host, from.key, len(head)+length)
	out = append(out, head...)
	out = append(out, b.parts[0]...)
	out = append(out, id...)
	out = append(out, b.parts[1]...)
	out = append(out, uid...)
	return append(out, b.parts[2]...)
}

// readAnswer reads one HTTP/1.1 answer and returns its status.
func readAnswer(in *bufio.Reader) (int, error) {
	line, err := in.ReadString('\n')
	if err != nil || len(line) < 12 {
		return 0, fmt.Errorf("read the answer: %w", err)
	}
	status, err := strconv.Atoi(line[9:12])
	if err != nil {
		return 0, err
	}
	length := 0
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if len(line) <= 2 {
			break
		}
		if v, ok := cutHeader(line, "content-length:"); ok {
			length, _ = strconv.Atoi(v)
		}
	}
	_, err = io.CopyN(io.Discard, in, int64(length))
	return status, err
}

func cutHeader(line []byte, name string) (string, bool) {
	if len(line) < len(name) {
		return "", false
	}
	for i := range name {
		c := line[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != name[i] {
			return "", false
		}
	}
	v := line[len(name):]
	for len(v) > 0 && (v[0] == ' ') {
		v = v[1:]
	}
	for len(v) > 0 && (v[len(v)-1] == '\n' || v[len(v)-1] == '\r' || v[len(v)-1] == ' ') {
		v = v[:len(v)-1]
	}
	return string(v), true
}

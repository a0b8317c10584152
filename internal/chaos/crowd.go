package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// confine holds a process to so much memory; the kernel kills it when it takes more. kills tells how often
// that happened, and undoes it.
func confine(pid int, memory int64) (kills func() (int, error), err error) {
	limit, events, root := "memory.limit_in_bytes", "memory.oom_control", "/sys/fs/cgroup/memory"
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		limit, events, root = "memory.max", "memory.events", "/sys/fs/cgroup"
	}
	group := filepath.Join(root, "tocsin-chaos-"+strconv.Itoa(os.Getpid()))
	write := func(name string, value any) error {
		return os.WriteFile(filepath.Join(group, name), fmt.Append(nil, value), 0o600)
	}
	if err := os.Mkdir(group, 0o700); err != nil {
		return nil, fmt.Errorf("limit memory, which needs root: %w", err)
	}
	if err := errors.Join(write(limit, memory), write("cgroup.procs", pid)); err != nil {
		return nil, errors.Join(fmt.Errorf("limit memory: %w", err), os.Remove(group))
	}
	return func() (n int, err error) {
		text, err := os.ReadFile(filepath.Join(group, events))
		for line := range strings.Lines(string(text)) {
			if _, failed := fmt.Sscanf(line, "oom_kill %d", &n); failed == nil {
				break
			}
		}
		leave := os.WriteFile(filepath.Join(root, "cgroup.procs"), fmt.Append(nil, pid), 0o600)
		return n, errors.Join(err, ignoreGone(leave), os.Remove(group))
	}, nil
}

func ignoreGone(err error) error {
	if err != nil && strings.Contains(err.Error(), "no such process") {
		return nil
	}
	return err
}

// bomb is a small body that expands to so many bytes of one event.
func bomb(expanded int) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	fmt.Fprintf(z, "{\"event_id\":\"%032x\"}\n{\"type\":\"event\"}\n{\"message\":\"", 1)
	block := bytes.Repeat([]byte("a"), 1<<20)
	for range expanded >> 20 {
		if _, err := z.Write(block); err != nil {
			return nil, err
		}
	}
	fmt.Fprint(z, "\"}\n")
	return b.Bytes(), z.Close()
}

// bombed sends bodies that expand a thousandfold to an ingest that may take 256 MiB: they are refused, it
// lives, and what others send meanwhile is stored or told to wait.
func bombed(ctx context.Context, w *world, _ *rand.Rand) error {
	const memory, bombs, atOnce = 256 << 20, 200, 50
	w.Programs["ingest"].Env = append(w.Programs["ingest"].Env, fmt.Sprint("GOMEMLIMIT=", memory/10*9)) // as compose and chart do
	w.kill("ingest")
	if err := errors.Join(w.start("ingest"), w.Ready(ctx, "ingest")); err != nil {
		return err
	}
	pid := w.Programs["ingest"].PID()
	kills, err := confine(pid, memory)
	if err != nil {
		return err
	}
	body, err := bomb(100 << 20)
	if err != nil {
		_, _ = kills()
		return err
	}
	answers := map[int]int{}
	var mu sync.Mutex
	var group sync.WaitGroup
	next := make(chan struct{})
	for range atOnce {
		group.Go(func() {
			for range next {
				status, err := w.postCoded(ctx, body, "gzip")
				if err != nil {
					status = 0
				}
				mu.Lock()
				answers[status]++
				mu.Unlock()
			}
		})
	}
	for range bombs {
		next <- struct{}{}
	}
	close(next)
	group.Wait()
	w.hold(ctx, 0.5)
	n, err := kills()
	select {
	case <-w.Programs["ingest"].Done():
		err = errors.Join(err, errors.New("ingest ended"))
	default:
	}
	w.note = fmt.Sprintf("%d bodies of 100 MB (%d KB sent) were answered %v; the kernel killed %d times", bombs, len(body)>>10, answers, n)
	if n > 0 || answers[http.StatusOK] > 0 || answers[0] > 0 {
		err = errors.Join(err, errors.New(w.note))
	}
	return err
}

// postCoded posts a body in a content encoding.
func (w *world) postCoded(ctx context.Context, body []byte, encoding string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.load.target(), bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("X-Sentry-Auth", "Sentry sentry_version=7, sentry_key="+w.load.key)
	req.Header.Set("Content-Encoding", encoding)
	res, err := w.load.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, err
}

const honestLimit = 100 * time.Millisecond // for 99 of 100 honest requests

// crowded holds ten thousand connections to ingest, half of which say nothing and half a letter of a
// request every now and then: honest clients are answered as fast as before.
func crowded(ctx context.Context, w *world, _ *rand.Rand) error {
	const connections = 10_000
	before, err := w.honest(ctx)
	if err != nil {
		return err
	}
	conns := make([]net.Conn, 0, connections)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	head := fmt.Sprintf("POST /api/%s/envelope/ HTTP/1.1\r\nHost: %s\r\nX-A: ", w.ProjectID, w.Address["ingest"])
	for i := range connections {
		c, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", w.Address["ingest"])
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		conns = append(conns, c)
		if i%2 == 0 {
			if _, err := c.Write([]byte(head)); err != nil {
				return err
			}
		}
	}
	slow := make(chan struct{})
	go func() { // a letter to each slow one now and then
		defer close(slow)
		for end := time.Now().Add(w.o.hold); time.Now().Before(end); time.Sleep(time.Second) {
			for i := 0; i < len(conns); i += 2 {
				_, _ = conns[i].Write([]byte("a")) // it may be closed by now
			}
		}
	}()
	during, err := w.honest(ctx)
	<-slow
	if err != nil {
		return err
	}
	closed := 0
	if err := w.await(ctx, 30*time.Second, func() error { // those that never finish a request are shown out
		closed = 0
		for i := 0; i < len(conns); i += 2 {
			_ = conns[i].SetReadDeadline(time.Now().Add(100 * time.Microsecond))
			if _, err := io.Copy(io.Discard, conns[i]); err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
				closed++
			}
		}
		if closed < connections/2 {
			return fmt.Errorf("%d of %d slow connections were closed", closed, connections/2)
		}
		return nil
	}); err != nil {
		return err
	}
	w.note = fmt.Sprintf("99 of 100 honest requests took %.0f ms at most, without the crowd %.0f ms; the %d slow ones were closed", during.Seconds()*1000, before.Seconds()*1000, closed)
	if during > max(honestLimit, 3*before) {
		return errors.New(w.note)
	}
	return nil
}

// honest is how long 99 of 100 requests take at most.
func (w *world) honest(ctx context.Context) (time.Duration, error) {
	took := make([]time.Duration, 300)
	for i := range took {
		began := time.Now()
		if err := w.post(ctx, fmt.Sprintf("%032x", began.UnixNano()), "chaos honest"); err != nil {
			return 0, err
		}
		took[i] = time.Since(began)
		time.Sleep(10 * time.Millisecond)
	}
	slices.Sort(took)
	return took[len(took)*99/100], nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tocsin-dev/tocsin/internal/testkit/fleet"
)

// small puts a folder of the fleet on a file system of that size, in memory.
func small(folder string, megabytes int) func(*fleet.Options) {
	return func(o *fleet.Options) {
		o.Prepare = func(dir string) error {
			dir = filepath.Join(dir, folder)
			if err := os.MkdirAll(dir, 0o711); err != nil {
				return err
			}
			return command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm,mode=0711", megabytes), "tmpfs", dir)
		}
	}
}

func command(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// fill takes all the space that is left beside a path, until the function it returns is called.
func fill(dir string) (release func() error, err error) {
	name := filepath.Join(dir, "balloon")
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	for block := 1 << 20; block > 0; {
		if _, err = f.Write(make([]byte, block)); err != nil {
			block /= 16
		}
	}
	_ = f.Close()
	if !errors.Is(err, syscall.ENOSPC) {
		return nil, fmt.Errorf("fill %s: %w", dir, err)
	}
	return func() error { return os.Remove(name) }, nil
}

// full fills a folder's file system for a while; after is called when there is space again.
func full(folder string, after func(context.Context, *world) error) action {
	return func(ctx context.Context, w *world, _ *rand.Rand) error {
		release, err := fill(filepath.Join(w.Dir, folder))
		if err != nil {
			return err
		}
		w.hold(ctx, 2)
		return errors.Join(release(), after(ctx, w))
	}
}

// nothingDead wants no message given up: it was the machine that failed.
func nothingDead(ctx context.Context, w *world) error {
	n, err := w.deadLetters(ctx)
	if err == nil && n > 0 {
		err = fmt.Errorf("%d messages were dead-lettered", n)
	}
	return err
}

// restartNATS is what the embedded server's supervisor does, and an operator of another must: a
// store that met a full disk stays frozen until then.
func restartNATS(_ context.Context, w *world) error {
	w.kill("nats")
	return w.start("nats")
}

// spoolFull fills ingest's spool while NATS is away: clients are told to wait, and nothing is
// acknowledged that has no place.
func spoolFull(ctx context.Context, w *world, _ *rand.Rand) error {
	w.hold(ctx, 0.5)
	w.kill("nats")
	refusals := w.load.refused.Load()
	body := strings.Repeat("x", 200<<10)
	err := w.await(ctx, 2*time.Minute, func() error {
		for range 8 {
			id := fmt.Sprintf("%032x", time.Now().UnixNano())
			event := fmt.Sprintf(`{"event_id":%q,"message":"spool","extra":{"a":%q}}`, id, body)
			status, err := w.load.post(ctx, fmt.Appendf(nil, "{\"event_id\":%q}\n{\"type\":\"event\",\"length\":%d}\n%s\n", id, len(event), event))
			if err != nil {
				return err
			}
			switch status {
			case http.StatusOK:
				w.load.ledger.add(id)
			case http.StatusTooManyRequests:
				return nil
			default:
				return fmt.Errorf("a full spool answers %d", status)
			}
		}
		return errors.New("the spool is not full yet")
	})
	w.note = fmt.Sprintf("a full spool answered 429; %d more of the load were told to wait", w.load.refused.Load()-refusals)
	return errors.Join(err, w.start("nats"))
}

// syncFails lets every sync of ingest's disk fail while it spools: nothing may be acknowledged then.
func syncFails(ctx context.Context, w *world, _ *rand.Rand) error {
	w.hold(ctx, 0.5)
	w.kill("nats")
	mend, err := failSyncs(w.Programs["ingest"].PID())
	if err != nil {
		return err
	}
	refused := func(n int64) error {
		from := w.load.refused.Load()
		return w.await(ctx, time.Minute, func() error {
			if got := w.load.refused.Load() - from; got < n {
				return fmt.Errorf("%d of %d events were refused", got, n)
			}
			return nil
		})
	}
	err = refused(workers) // answers from before have come by then
	acked := w.load.ledger.count()
	err = errors.Join(err, refused(5*workers))
	acked = w.load.ledger.count() - acked
	mend()
	w.kill("ingest")
	w.note = fmt.Sprintf("%d events were acknowledged while no sync succeeded, %d refused", acked, 5*workers)
	if acked > 0 {
		err = errors.Join(err, errors.New(w.note))
	}
	return errors.Join(err, w.start("nats"), w.start("ingest"), w.Ready(ctx, "ingest"))
}

// failSyncs lets every sync of these processes fail until mend is called.
func failSyncs(pids ...int) (mend func(), err error) { return onSync("error=EIO", pids) }

// onSync has something happen at every sync of these processes until mend is called.
func onSync(what string, pids []int) (mend func(), err error) {
	args := []string{"-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:" + what}
	for _, pid := range pids {
		args = append(args, "-p", strconv.Itoa(pid))
	}
	tracer := exec.Command("strace", args...)
	if err := tracer.Start(); err != nil {
		return nil, fmt.Errorf("reach into syncs, which needs strace: %w", err)
	}
	return func() {
		_ = tracer.Process.Signal(syscall.SIGINT)
		_ = tracer.Wait()
	}, nil
}

// slowSyncs makes each sync of Postgres late, as a disk does that others use.
func slowSyncs(ctx context.Context, w *world, _ *rand.Rand) error {
	pids, err := w.postgresProcesses()
	if err != nil {
		return err
	}
	mend, err := onSync("delay_enter=200000", pids)
	if err != nil {
		return err
	}
	defer mend()
	w.hold(ctx, 1)
	return nil
}

// syncFailsInNATS lets the syncs of NATS fail: it acknowledges nothing, and ingest spools, until it is
// restarted on a disk that works.
func syncFailsInNATS(ctx context.Context, w *world, _ *rand.Rand) error {
	w.hold(ctx, 0.5)
	mend, err := failSyncs(w.NATS.PID())
	if err != nil {
		return err
	}
	w.hold(ctx, 1)
	w.kill("nats") // still on the bad disk
	mend()
	return w.start("nats")
}

// syncFailsInPostgres lets the syncs of Postgres fail: it must end rather than believe that a second try
// wrote what the first did not, and its supervisor starts it again.
func syncFailsInPostgres(ctx context.Context, w *world, _ *rand.Rand) error {
	w.hold(ctx, 0.5)
	pids, err := w.processes()
	if err != nil {
		return err
	}
	before := w.panics()
	mend, err := failSyncs(pids[1+len(fleet.Services):]...)
	if err != nil {
		return err
	}
	w.hold(ctx, 1)
	mend()
	if w.panics() == before {
		return errors.New("postgres went on after a failed sync")
	}
	w.note = "Postgres ended with PANIC and recovered"
	return nil
}

// panics is how often Postgres gave up because it could not trust its disk.
func (w *world) panics() int {
	text, _ := os.ReadFile(filepath.Join(w.Dir, "postgres", "postgres.log")) // without one there were none
	return strings.Count(string(text), "PANIC")
}

const imageBytes = 3 << 30 // sparse

// onDisk puts the whole fleet on a file system in an image file.
func onDisk(o *fleet.Options) {
	o.Prepare = func(dir string) error {
		image := dir + ".image"
		f, err := os.Create(image)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Truncate(imageBytes), f.Close(), command("mkfs.ext4", "-q", "-F", image)); err != nil {
			return err
		}
		return attach(image, dir)
	}
	o.Discard = func(dir string) {
		_ = command("umount", "-l", dir)
		_, _ = os.Remove(dir+".image"), os.Remove(dir+".cut")
	}
}

// attach mounts an image on dir, as open to others as a fleet's folder must be.
func attach(image, dir string) error {
	return errors.Join(command("mount", "-o", "loop", image, dir), os.Chmod(dir, 0o711))
}

// powerCut stops everything at one instant, keeps what the disk has then, which lacks all that was
// not synced, and goes on from that; several times.
func powerCut(ctx context.Context, w *world, rng *rand.Rand) error {
	used, spare := w.Dir+".image", w.Dir+".cut"
	for range w.o.cuts {
		w.hold(ctx, 0.1+rng.Float64()/2)
		if err := w.cutPower(ctx, used, spare); err != nil {
			return err
		}
		used, spare = spare, used
	}
	w.note = fmt.Sprintf("%d crash images, each of another instant under load, each continued from", w.o.cuts)
	return nil
}

// cutPower goes on from a copy of the image that the disk is in.
func (w *world) cutPower(ctx context.Context, image, copied string) error {
	pids, err := w.processes()
	if err != nil {
		return err
	}
	all := func(s syscall.Signal) {
		for _, pid := range pids {
			_ = syscall.Kill(pid, s)
		}
	}
	all(syscall.SIGSTOP)
	held := w.load.ledger.count()
	err = copySettled(image, copied)
	w.load.mute(true) // what is answered from now on happens on the disk that is given up
	defer w.load.mute(false)
	w.load.ledger.upTo(held)
	all(syscall.SIGCONT)
	if err != nil {
		return err
	}
	w.db.Reset()
	return w.Restart(ctx, func() error {
		if err := command("umount", "-l", w.Dir); err != nil {
			return err
		}
		return attach(copied, w.Dir)
	})
}

// copySettled copies an image that nobody writes to; the kernel may still, then it is copied again.
func copySettled(image, to string) error {
	for range 10 {
		before, err := os.Stat(image)
		if err != nil {
			return err
		}
		if err := command("cp", "--sparse=always", image, to); err != nil {
			return err
		}
		after, err := os.Stat(image)
		if err != nil {
			return err
		}
		if before.ModTime().Equal(after.ModTime()) {
			return nil
		}
	}
	return errors.New("the image is written to although everything is stopped")
}

// processes are all that write: the programs, NATS, and every process of Postgres.
func (w *world) processes() ([]int, error) {
	pids := []int{w.NATS.PID()}
	for _, s := range fleet.Services {
		pids = append(pids, w.Programs[s].PID())
	}
	more, err := w.postgresProcesses()
	return append(pids, more...), err
}

// postgresProcesses are all of Postgres', the first one's children behind it.
func (w *world) postgresProcesses() ([]int, error) {
	text, err := os.ReadFile(filepath.Join(w.Dir, "postgres", "data", "postmaster.pid"))
	if err != nil {
		return nil, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	postmaster, err := strconv.Atoi(first)
	if err != nil {
		return nil, err
	}
	pids := []int{postmaster}
	children, err := exec.Command("ps", "-o", "pid=", "--ppid", first).Output()
	if err != nil {
		return nil, err
	}
	for _, f := range strings.Fields(string(children)) {
		if pid, err := strconv.Atoi(f); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// ownErrors lets the programs report their errors to the project that they serve, and makes every
// write of the processor fail for a while: the reports must not cause more of themselves.
func ownErrors(ctx context.Context, w *world, _ *rand.Rand) error {
	for _, s := range fleet.Services {
		w.Programs[s].Env = append(w.Programs[s].Env, "TOCSIN_SENTRY_DSN="+w.DSN, "TOCSIN_ENVIRONMENT=self")
		w.kill(s)
		if err := errors.Join(w.start(s), w.Ready(ctx, s)); err != nil {
			return err
		}
	}
	link := w.Links["processor-postgres"]
	link.Refuse.Store(true)
	link.Reset()
	w.hold(ctx, 3)
	link.Heal()
	link.Refuse.Store(false)
	const most = 20
	own := func() (n int, err error) {
		err = w.db.QueryRow(ctx, "select count(*) from events where environment = 'self'").Scan(&n)
		return n, err
	}
	if err := w.await(ctx, 2*time.Minute, func() error { // everything sent before has been stored
		n, err := w.missing(ctx, w.load.ledger.recent())
		if err == nil && n > 0 {
			err = fmt.Errorf("%d events wait", n)
		}
		return err
	}); err != nil {
		return err
	}
	after, err := own()
	if err != nil {
		return err
	}
	w.hold(ctx, 1)
	later, err := own()
	w.note = fmt.Sprintf("%d own errors reported while every write failed for %s, %d more afterwards", after, 3*w.o.hold, later-after)
	if err == nil && (later > most || later > after+2) {
		err = fmt.Errorf("the reports cause reports: %s", w.note)
	}
	return err
}

package main

import (
	"context"
	"os"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tocsin-dev/tocsin/internal/testkit/fleet"
)

// world is an installation of separate programs with a proxy on every link, under load.
type world struct {
	*fleet.Fleet
	o    options
	db   *pgxpool.Pool
	load *generator
	note string // what the last fault has to tell beyond the table
}

// build starts everything, in the way that change asks for, and waits until it answers.
func build(ctx context.Context, o options, change func(*fleet.Options)) (*world, error) {
	fo := fleet.Options{Bin: o.bin, Proxies: true}
	if change != nil {
		change(&fo)
	}
	f, err := fleet.Start(ctx, fo)
	if err != nil {
		f.Remove()
		return nil, err
	}
	w := &world{Fleet: f, o: o}
	url, err := f.AdminURL()
	if err == nil {
		w.db, err = pgxpool.New(ctx, url)
	}
	if err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// start runs a program again after it ended.
func (w *world) start(name string) error { return w.Program(name).Start() }

// kill ends a program as a power switch would.
func (w *world) kill(name string) { w.Program(name).Kill() }

func (w *world) signal(name string, s syscall.Signal) { _ = w.Program(name).Signal(s) }

func (w *world) close() {
	if w.load != nil {
		w.load.end()
	}
	if w.db != nil {
		w.db.Close()
	}
	if w.o.keep {
		w.Close()
		return
	}
	w.Remove()
	_ = os.Remove(w.Dir + ".ledger")
}

// ledgerFile is where acknowledged ids are kept: beside the folder, whose disk may be lost.
func (w *world) ledgerFile() (*os.File, error) { return os.Create(w.Dir + ".ledger") }

// await calls f until it answers nil, for as long as limit allows on an idle machine.
func (w *world) await(ctx context.Context, limit time.Duration, f func() error) error {
	return fleet.Await(ctx, time.Duration(w.o.patience)*limit, f)
}

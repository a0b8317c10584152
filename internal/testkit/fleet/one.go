package fleet

import (
	"context"
	"fmt"
	"path/filepath"

	embedded "github.com/tocsin-dev/tocsin/internal/embedded/postgres"
)

// everything is the program that is an installation by itself.
const everything = "tocsin"

// one starts "tocsin up", under the name of tocsin.
func (f *Fleet) one(ctx context.Context) error {
	address, err := FreeAddress()
	if err != nil {
		return err
	}
	for _, s := range append([]string{everything}, Services...) {
		f.Address[s] = address
	}
	args := append([]string{"up", "--listen", address, "--data", f.Data(), "--allow-private-destinations", "127.0.0.0/8"}, f.o.Args[everything]...)
	p := NewProgram(f.Dir, filepath.Join(f.o.Bin, everything), args...)
	p.Env = f.o.Env[everything]
	f.Programs[everything] = p
	if err := p.Start(); err != nil {
		return err
	}
	if err := f.Ready(ctx, everything); err != nil {
		return err
	}
	return f.credentials(filepath.Join(f.Data(), "bootstrap.json"))
}

// Data is the folder that the programs keep their own files in.
func (f *Fleet) Data() string { return filepath.Join(f.Dir, "data") }

// AdminURL is the address of the database with every right to it.
func (f *Fleet) AdminURL() (string, error) {
	if f.Postgres != nil {
		return f.Postgres.URL(), nil
	}
	url, err := embedded.Address(filepath.Join(f.Data(), "postgres"))
	if err != nil {
		return "", fmt.Errorf("find the database of tocsin up: %w", err)
	}
	return url, nil
}

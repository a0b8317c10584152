package postgres

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Address is the connection string of the cluster in dir, for another process while it runs.
// fault.Unknown: there is none. fault.Unavailable: it does not run. fault.Denied: only another account may
// use it.
func Address(dir string) (string, error) {
	password, err := os.ReadFile(filepath.Join(dir, "password"))
	if errors.Is(err, fs.ErrPermission) {
		return "", fault.Wrap(err, fault.Denied, "this account may not read %s; run as the one that runs Tocsin", dir)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", fault.New(fault.Unknown, "there is no private database in %s; name the installation's folder with --data, or its database with --database-url", dir)
	}
	if err != nil {
		return "", fault.Wrap(err, fault.Denied, "cannot read the password of the private database in %s", dir)
	}
	lines, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fault.New(fault.Unavailable, "the private database in %s does not run; start it with tocsin up", dir)
	}
	if err != nil {
		return "", fault.Wrap(err, fault.Denied, "this account may not read %s; run as the one that runs Tocsin", dir)
	}
	// Rule: https://www.postgresql.org/docs/15/storage-file-layout.html (postmaster.pid)
	fields := strings.Split(string(lines), "\n")
	if len(fields) < 5 || fields[4] == "" {
		return "", fault.New(fault.Unavailable, "the private database in %s is starting", dir)
	}
	s := &Server{password: strings.TrimSpace(string(password)), socketDir: fields[4]}
	return s.URL(), nil
}

// Programs is the folder of the server's programs, pg_dump and pg_restore among them.
// fault.Unavailable: this machine has none.
func Programs() (string, error) { return findPrograms() }

// Environment is a connection string as the variables that the server's programs read.
// Rule: https://www.postgresql.org/docs/15/libpq-envars.html
func Environment(address string) ([]string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the address of the database cannot be read")
	}
	env := []string{"PGDATABASE=" + strings.TrimPrefix(u.Path, "/"), "PGUSER=" + u.User.Username()}
	if password, ok := u.User.Password(); ok {
		env = append(env, "PGPASSWORD="+password)
	}
	host := u.Query().Get("host")
	if host == "" {
		host = u.Hostname()
	}
	if host != "" {
		env = append(env, "PGHOST="+host)
	}
	if u.Port() != "" {
		env = append(env, "PGPORT="+u.Port())
	}
	if mode := u.Query().Get("sslmode"); mode != "" {
		env = append(env, "PGSSLMODE="+mode)
	}
	return env, nil
}

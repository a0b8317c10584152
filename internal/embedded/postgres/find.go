package postgres

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strconv"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// programGlobs are the places where distributions put server programs, besides the PATH.
var programGlobs = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/usr/lib64/pgsql/bin",
	"/usr/libexec/postgresql*",
	"/opt/homebrew/opt/postgresql*/bin",
	"/usr/local/opt/postgresql*/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

// findPrograms returns the directory that holds postgres, initdb and pg_ctl: the one on the PATH,
// else the newest of the usual places.
func findPrograms() (string, error) {
	if path, err := exec.LookPath("postgres"); err == nil {
		if dir, err := filepath.EvalSymlinks(path); err == nil && hasPrograms(filepath.Dir(dir)) {
			return filepath.Dir(dir), nil
		}
	}
	var dirs []string
	for _, glob := range programGlobs {
		found, _ := filepath.Glob(glob) // the patterns are constant and well formed
		for _, dir := range found {
			if hasPrograms(dir) {
				dirs = append(dirs, dir)
			}
		}
	}
	if len(dirs) == 0 {
		return "", fault.New(fault.Unavailable,
			"no PostgreSQL server programs were found; install them with %q, or pass --database-url", installCommand())
	}
	sort.SliceStable(dirs, func(i, j int) bool { return majorIn(dirs[i]) > majorIn(dirs[j]) })
	return dirs[0], nil
}

func hasPrograms(dir string) bool {
	for _, name := range [...]string{"postgres", "initdb", "pg_ctl"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

// majorIn is the first number in a path such as /usr/lib/postgresql/17/bin, 0 when there is none.
func majorIn(path string) int {
	start := 0
	for start < len(path) && (path[start] < '0' || path[start] > '9') {
		start++
	}
	end := start
	for end < len(path) && path[end] >= '0' && path[end] <= '9' {
		end++
	}
	n, _ := strconv.Atoi(path[start:end]) // digits only; an empty string is 0
	return n
}

// installCommand is what to type on this machine to get the server programs.
func installCommand() string {
	if runtime.GOOS == "darwin" {
		return "brew install postgresql@17"
	}
	for _, manager := range [...]struct{ program, command string }{
		{"apt-get", "sudo apt-get install postgresql"},
		{"dnf", "sudo dnf install postgresql-server"},
		{"yum", "sudo yum install postgresql-server"},
		{"apk", "sudo apk add postgresql"},
		{"pacman", "sudo pacman -S postgresql"},
		{"zypper", "sudo zypper install postgresql-server"},
	} {
		if _, err := exec.LookPath(manager.program); err == nil {
			return manager.command
		}
	}
	return "your package manager's postgresql server package"
}

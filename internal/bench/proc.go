package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// clockTicks is USER_HZ, which Linux fixes at 100 for all it tells user programs.
const clockTicks = 100

// tree lists root and every process below it.
func tree(root int) []int {
	children := map[int][]int{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if f := stat(pid); len(f) > 1 {
			parent, _ := strconv.Atoi(f[1])
			children[parent] = append(children[parent], pid)
		}
	}
	list := []int{root}
	for i := 0; i < len(list); i++ {
		list = append(list, children[list[i]]...)
	}
	return list
}

// stat is the fields of /proc/PID/stat behind the program's name: state, parent, …
func stat(pid int) []string {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return strings.Fields(rest)
}

// usage is what processes have used so far.
type usage struct {
	own      float64 // CPU seconds of the root process
	postgres float64 // CPU seconds of all below it, ended ones included
	rss      int64   // bytes of the root process
}

func measure(root int) usage {
	var u usage
	for _, pid := range tree(root) {
		f := stat(pid)
		if len(f) < 22 {
			continue
		}
		seconds := func(field int) float64 { n, _ := strconv.ParseFloat(f[field], 64); return n / clockTicks }
		if pid == root {
			u.own = seconds(11) + seconds(12)
			pages, _ := strconv.ParseInt(f[21], 10, 64)
			u.rss = pages * int64(os.Getpagesize())
			u.postgres += seconds(13) + seconds(14)
			continue
		}
		u.postgres += seconds(11) + seconds(12) + seconds(13) + seconds(14)
	}
	return u
}

// diskUsage is the bytes a folder takes on disk.
func diskUsage(dir string) int64 {
	var sum int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // files come and go while a database runs
		}
		if info, err := d.Info(); err == nil {
			if st, ok := info.Sys().(*syscall.Stat_t); ok {
				sum += st.Blocks * 512
			}
		}
		return nil
	})
	return sum
}

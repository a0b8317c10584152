// Package machine tells what the machine has.
package machine

import (
	"bytes"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Memory is how many MiB this process may use: those of the machine or of a control group that it
// is in, whichever has least; 2048 where none can be read.
// Sources: proc_meminfo(5), MemTotal; cgroups(7), /proc/pid/cgroup; the kernel's Documentation:
// admin-guide/cgroup-v2.rst, memory.max, and cgroup-v1/memory.rst, memory.limit_in_bytes
func Memory() int {
	total := 2048
	if info, err := os.ReadFile("/proc/meminfo"); err == nil {
		for line := range bytes.Lines(info) {
			if fields := strings.Fields(string(line)); len(fields) == 3 && fields[0] == "MemTotal:" {
				if kib, err := strconv.Atoi(fields[1]); err == nil {
					total = kib / 1024
				}
			}
		}
	}
	list, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return total
	}
	for _, file := range limitFiles(string(list)) {
		if limit, err := os.ReadFile(file); err == nil {
			if b, err := strconv.ParseInt(strings.TrimSpace(string(limit)), 10, 64); err == nil {
				total = min(total, int(b>>20))
			}
		}
	}
	return total
}

// limitFiles are the files that may limit the memory of a process, from what its /proc/pid/cgroup
// says: of its own groups and of those around them, in both versions of control groups.
func limitFiles(groups string) (files []string) {
	for line := range strings.Lines(groups) {
		field := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(field) < 3 {
			continue
		}
		root, name := "/sys/fs/cgroup", "memory.max"
		if field[1] != "" {
			root, name = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
			if !slices.Contains(strings.Split(field[1], ","), "memory") {
				continue
			}
		}
		for group := path.Clean("/" + field[2]); ; group = path.Dir(group) {
			files = append(files, path.Join(root, group, name))
			if group == "/" {
				break
			}
		}
	}
	return files
}

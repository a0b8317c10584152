// Package machine tells what the machine has.
package machine

import (
	"bytes"
	"os"
	"strconv"
	"strings"
)

// Memory is how many MiB this process may use: those of the machine or of the control group,
// whichever has less; 2048 where neither can be read.
// Sources: proc_meminfo(5), MemTotal; the kernel's Documentation/admin-guide/cgroup-v2.rst, memory.max
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
	if limit, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if b, err := strconv.ParseInt(strings.TrimSpace(string(limit)), 10, 64); err == nil {
			total = min(total, int(b>>20))
		}
	}
	return total
}

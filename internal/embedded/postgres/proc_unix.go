//go:build unix && !linux

package postgres

import "syscall"

// attributes puts the server in its own process group, so that an interrupt typed at the terminal
// reaches us first. A server that outlives us is stopped by the next start.
func attributes(c *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: c}
}

package postgres

import "syscall"

// attributes puts the server in its own process group, so that an interrupt typed at the terminal
// reaches us first, and ends it when the thread that started it does.
func attributes(c *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: c, Pdeathsig: syscall.SIGINT}
}

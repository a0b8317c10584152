package fleet

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// Program is one process, which may be started again after it ended.
type Program struct {
	Path string
	Args []string
	Env  []string // beside this process's own
	log  string
	cmd  *exec.Cmd
	done chan struct{}
}

// NewProgram describes a program that logs to the file log in dir; it does not run yet.
func NewProgram(dir, path string, args ...string) *Program {
	return &Program{Path: path, Args: args, log: filepath.Join(dir, "log")}
}

// Start runs the program.
func (p *Program) Start() error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(p.Path, p.Args...)
	cmd.Env = append(os.Environ(), p.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a signal to us is not one to it
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.Path, err)
	}
	done := make(chan struct{})
	p.cmd, p.done = cmd, done
	go func() { _ = cmd.Wait(); close(done) }()
	return nil
}

// PID is the number of the process that was started last.
func (p *Program) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Program) Done() <-chan struct{} { return p.done }

// ExitCode is what the process ended with, -1 for one that a signal ended or that runs.
func (p *Program) ExitCode() int {
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	default:
		return -1
	}
}

// Signal sends s to the process.
func (p *Program) Signal(s syscall.Signal) error {
	if p.cmd == nil {
		return errors.New("the program was not started")
	}
	return p.cmd.Process.Signal(s)
}

// Kill ends the process as a power switch would and waits for its end; one that ended already, or
// never began, is none the worse.
func (p *Program) Kill() {
	if p == nil || p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.done
}

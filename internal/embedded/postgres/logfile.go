package postgres

import (
	"os"
	"sync"
)

// logBytes is how large the server's log grows before it becomes the .1 file.
const logBytes = 4 << 20

// logFile is the server's log: appended to, and bounded to twice logBytes on disk. A failed write
// loses log lines and nothing else.
type logFile struct {
	path string

	mu   sync.Mutex
	file *os.File
	size int64
	tail []byte // the last lines, to explain a failed start
}

func openLog(path string) (*logFile, error) {
	l := &logFile{path: path}
	return l, l.open()
}

func (l *logFile) open() error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return err
	}
	l.file, l.size = f, info.Size()
	return nil
}

// Write appends p. It never fails: the server must not stop because its log cannot be written.
func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail = append(l.tail, p...)
	if cut := len(l.tail) - 2048; cut > 0 {
		l.tail = append(l.tail[:0], l.tail[cut:]...)
	}
	if l.file == nil {
		return len(p), nil
	}
	if l.size+int64(len(p)) > logBytes {
		_ = l.file.Close()
		l.file = nil
		_ = os.Rename(l.path, l.path+".1")
		if l.open() != nil {
			return len(p), nil
		}
	}
	n, _ := l.file.Write(p)
	l.size += int64(n)
	return len(p), nil
}

// Tail is the end of what was written, 2 KiB at most.
func (l *logFile) Tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.tail)
}

func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}

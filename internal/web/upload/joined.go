package upload

import (
	"io"
	"sort"

	"github.com/tocsin-dev/tocsin/internal/blob"
)

// joined is a file that lies in pieces.
type joined struct {
	parts  []blob.File
	starts []int64 // of the parts within the whole
	size   int64
}

func (j *joined) add(f blob.File, size int64) {
	j.parts, j.starts, j.size = append(j.parts, f), append(j.starts, j.size), j.size+size
}

// Close closes the parts; they were only read.
func (j *joined) Close() {
	for _, p := range j.parts {
		_ = p.Close()
	}
}

// ReadAt implements io.ReaderAt.
func (j *joined) ReadAt(p []byte, at int64) (n int, err error) {
	if at < 0 || at >= j.size {
		return 0, io.EOF
	}
	for i := sort.Search(len(j.starts), func(i int) bool { return j.starts[i] > at }) - 1; i < len(j.parts) && n < len(p); i++ {
		end := j.size
		if i+1 < len(j.starts) {
			end = j.starts[i+1]
		}
		want := min(int64(len(p)-n), end-at)
		got, err := j.parts[i].ReadAt(p[n:n+int(want)], at-j.starts[i])
		if n, at = n+got, at+int64(got); int64(got) < want {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return n, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// reader reads the whole from its beginning.
func (j *joined) reader() io.Reader { return io.NewSectionReader(j, 0, j.size) }

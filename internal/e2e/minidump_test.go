package e2e

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/testkit/crashdump"
)

const tillSource = `package main

//go:noinline
func pay(cents int) int { return 100 / cents }

//go:noinline
func checkout(items int) int { return pay(items - 1) + 1 }

func main() { println(checkout(len("x"))) }
`

// tillBuild is the build id of the program that crashes.
const tillBuild = "00112233445566778899aabbccddeeff"

// buildTill compiles the program and returns its file and the addresses of its functions, relative
// to its image.
func buildTill(t *testing.T) (file string, functions map[string]uint64) {
	t.Helper()
	dir := t.TempDir()
	source, file := filepath.Join(dir, "till.go"), filepath.Join(dir, "till")
	if err := os.WriteFile(source, []byte(tillSource), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-B=0x"+tillBuild, "-o", file, source)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	program, err := elf.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	symbols, err := program.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	functions = make(map[string]uint64)
	for _, s := range symbols {
		functions[s.Name] = s.Value - 0x400000
	}
	return file, functions
}

// tillDump is what a crash reporter writes of a program whose stack has the given return addresses,
// the address of the crash first, by frame pointers. Its program is loaded at base.
func tillDump(base uint64, calls []uint64) []byte {
	id, _ := hex.DecodeString(tillBuild)
	c := crashdump.Crash{Program: "/opt/shop/till", Build: id, Base: base, RIP: base + calls[0], RSP: crashdump.StackStart, RBP: crashdump.StackStart}
	for i, call := range calls[1:] {
		next := uint64(crashdump.StackStart + 16*(i+1))
		if i == len(calls)-2 {
			next = 0
		}
		c.Stack = append(c.Stack, next, base+call)
	}
	return c.Minidump()
}

// nativeFrame is a frame as the API shows it.
type nativeFrame struct {
	Function, Filename, Package, InstructionAddr, Trust string
	LineNo                                              int
}

// crashOf waits for the event of a crash and returns the frames of its exception, outermost first,
// with what the page's API says beside them.
func (in *instance) crashOf(t *testing.T, id string) (frames []nativeFrame, body string) {
	t.Helper()
	var doc struct {
		Entries []struct {
			Type string
			Data struct {
				Values []struct {
					Stacktrace struct{ Frames []nativeFrame }
				}
			}
		}
	}
	err := eventually(t.Context(), 30*time.Second, func(ctx context.Context) error {
		status, answer, err := fetch(ctx, http.MethodGet, in.URL+"/api/0/projects/"+in.Organization+"/"+in.Project+"/events/"+id+"/", in.AuthToken, nil)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("the event is not there: %d", status)
		}
		if err == nil {
			body, err = string(answer), json.Unmarshal(answer, &doc)
		}
		return err
	}, in.done)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range doc.Entries {
		if e.Type == "exception" {
			frames = e.Data.Values[0].Stacktrace.Frames
		}
	}
	return frames, body
}

// TestACrashOfAProgramBecomesReadable sends a minidump as a crash reporter does, uploads the program
// with the real sentry-cli, and reads the stack before and after.
func TestACrashOfAProgramBecomesReadable(t *testing.T) {
	t.Parallel()
	in := up(t)
	sdks := installSDKs(t)
	file, functions := buildTill(t)
	calls := []uint64{functions["main.pay"] + 9, functions["main.checkout"] + 12, functions["main.main"] + 20}
	dump := tillDump(0x555500000000, calls)
	status, body, err := fetch(t.Context(), http.MethodPost, in.URL+"/api/"+in.ProjectID+"/minidump/?sentry_key="+in.key(), "", dump, "Content-Type", "application/octet-stream")
	if err != nil || status != http.StatusOK {
		t.Fatalf("%d %s %v", status, body, err)
	}
	id := strings.ReplaceAll(string(body), "-", "")
	frames, text := in.crashOf(t, id)
	if len(frames) != 3 || frames[2].Trust != "context" || frames[0].Trust != "fp" || frames[0].Function != "" || frames[2].Package != "/opt/shop/till" {
		t.Fatalf("before the upload: %+v", frames)
	}
	for _, want := range []string{"SIGFPE / FPE_INTDIV", "native_missing_dsym", "debug-files upload --id 33221100-5544-7766-8899-aabbccddeeff"} {
		if !strings.Contains(text, want) {
			t.Errorf("before the upload the event lacks %s: %s", want, text)
		}
	}
	if printed := in.cli(t, filepath.Join(sdks, "node_modules/@sentry/cli-3/bin/sentry-cli"), "debug-files", "upload", "--wait", file); !strings.Contains(printed, "till") {
		t.Fatalf("the upload printed %s", printed)
	}
	check := func(when string) {
		frames, text := in.crashOf(t, id)
		for i, function := range []string{"main.main", "main.checkout", "main.pay"} {
			line := []int{9, 7, 4}[i]
			if i >= len(frames) || frames[i].Function != function || frames[i].Filename != "till.go" || frames[i].LineNo != line {
				t.Errorf("%s frame %d is not %s: %+v\n%s", when, i, function, frames, text)
				return
			}
		}
	}
	check("after the upload")
	if printed := run(t, "jobs", "start", "symbolicate", "--wait", "--data", in.data); !strings.Contains(printed, `"changed":1`) {
		t.Errorf("the job printed %s", printed)
	}
	check("rewritten")

	// What is no dump behind its first bytes becomes an event that says so.
	noise := append([]byte("MDMP"), bytes.Repeat([]byte("\x9c\x01\xfe"), 3000)...)
	status, body, err = fetch(t.Context(), http.MethodPost, in.URL+"/api/"+in.ProjectID+"/minidump/?sentry_key="+in.key(), "", noise, "Content-Type", "application/octet-stream")
	if err != nil || status != http.StatusOK {
		t.Fatalf("%d %s %v", status, body, err)
	}
	if _, text := in.crashOf(t, strings.ReplaceAll(string(body), "-", "")); !strings.Contains(text, "minidump_damaged") {
		t.Errorf("random bytes: %s", text)
	}
}

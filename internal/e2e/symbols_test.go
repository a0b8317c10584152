package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// cli runs a real sentry-cli against an instance and returns what it printed.
func (in *instance) cli(t *testing.T, program string, args ...string) string {
	t.Helper()
	return in.cliIn(t, "", program, args...)
}

// cliIn is cli in a folder.
func (in *instance) cliIn(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "SENTRY_URL="+in.URL, "SENTRY_AUTH_TOKEN="+in.AuthToken, "SENTRY_ORG="+in.Organization, "SENTRY_PROJECT="+in.Project,
		"SENTRY_DSN="+in.DSN, "SENTRY_DISABLE_UPDATE_CHECK=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// shopPage puts a page beside a built script and serves both.
func shopPage(t *testing.T, dir string) *httptest.Server {
	t.Helper()
	page := `<!doctype html><title>Shop</title><button id="buy">Buy</button><script type="module" src="app.js"></script>`
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	shop := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(shop.Close)
	return shop
}

// buy opens a shop, clicks its button, and returns the id of the event that the SDK reports.
func buy(t *testing.T, shop *httptest.Server, dsn string) string {
	t.Helper()
	tab := newBrowser(t)
	if err := chromedp.Do(tab, chromedp.Navigate(shop.URL+"/#"+dsn), chromedp.Click("#buy")); err != nil {
		t.Fatal(err)
	}
	id, err := chromedp.Run(tab, chromedp.Poll[string]("window.reported"))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// lastFrame waits for an event and writes its innermost frame as "file function line: text".
func (in *instance) lastFrame(t *testing.T, id string) (frame string) {
	t.Helper()
	err := eventually(t.Context(), 30*time.Second, func(ctx context.Context) error {
		var doc struct {
			Entries []struct {
				Type string
				Data struct {
					Values []struct {
						Stacktrace struct {
							Frames []struct {
								Filename, Function string
								LineNo             int
								Context            [][2]any
							}
						}
					}
				}
			}
		}
		if err := in.api(ctx, "projects/"+in.Organization+"/"+in.Project+"/events/"+id+"/", &doc); err != nil {
			return err
		}
		for _, e := range doc.Entries {
			if e.Type == "exception" {
				frames := e.Data.Values[0].Stacktrace.Frames
				f := frames[len(frames)-1]
				frame = fmt.Sprintf("%s %s %d:", f.Filename, f.Function, f.LineNo)
				for _, line := range f.Context {
					if line[0] == float64(f.LineNo) {
						frame += fmt.Sprint(" ", line[1])
					}
				}
				return nil
			}
		}
		return errors.New("the event has no exception")
	}, in.done)
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

const readableFrame = "renderCart" // what the minified script does not hold

// TestUploadedSourceMapsMakeStacksReadable builds a page, uploads its map with the real command
// lines, and reads what the browser's SDK reports before and after.
func TestUploadedSourceMapsMakeStacksReadable(t *testing.T) {
	t.Parallel()
	in := up(t)
	sdks := installSDKs(t)
	for name, program := range map[string]string{"sentry-cli 2": "node_modules/@sentry/cli/bin/sentry-cli", "sentry-cli 3": "node_modules/@sentry/cli-3/bin/sentry-cli"} {
		t.Run(name, func(t *testing.T) {
			program := filepath.Join(sdks, program)
			out := t.TempDir()
			build := exec.CommandContext(t.Context(), filepath.Join(sdks, "node_modules/.bin/esbuild"), copyIn(t, sdks, "browser.js"), "--bundle", "--minify", "--sourcemap",
				"--footer:js=// "+name, "--outfile="+filepath.Join(out, "app.js"))
			if msg, err := build.CombinedOutput(); err != nil {
				t.Fatalf("esbuild: %v\n%s", err, msg)
			}
			in.cli(t, program, "sourcemaps", "inject", out)
			shop := shopPage(t, out)
			early := buy(t, shop, in.DSN)
			if frame := in.lastFrame(t, early); strings.Contains(frame, readableFrame) {
				t.Errorf("before the upload: %s", frame)
			}
			if printed := in.cli(t, program, "sourcemaps", "upload", "--wait", out); !strings.Contains(printed, "artifact bundle") {
				t.Errorf("the upload printed %s", printed)
			}
			if printed := run(t, "jobs", "start", "symbolicate", "--wait", "--data", in.data); !strings.Contains(printed, "done, events: ") || strings.Contains(printed, `"changed":0`) {
				t.Errorf("the job printed %s", printed)
			}
			for when, id := range map[string]string{"the older event": early, "the next event": buy(t, shop, in.DSN)} {
				frame := in.lastFrame(t, id)
				if !strings.Contains(frame, "browser.js") || !strings.Contains(frame, "item.price.amount") {
					t.Errorf("%s is not readable: %s", when, frame)
				}
			}
		})
	}
}

// TestCommandLinesUploadDebugFiles runs what else the real command lines send here.
func TestCommandLinesUploadDebugFiles(t *testing.T) {
	t.Parallel()
	in := up(t)
	sdks := installSDKs(t)
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for i, path := range []string{"node_modules/@sentry/cli/bin/sentry-cli", "node_modules/@sentry/cli-3/bin/sentry-cli"} {
		program := filepath.Join(sdks, path)
		sym := write("a.sym", fmt.Sprintf("MODULE Linux x86_64 D3096ED481217FD4C16B29CD9BC208B%d0 shop\nFILE 0 shop.c\nFUNC 1000 10 0 main\n1000 10 42 0\n", i))
		mapping := write("mapping.txt", fmt.Sprintf("org.shop.Cart%d -> a.b:\n    1:4:int total(int):20:23 -> a\n", i))
		envelope := write("one.envelope", fmt.Sprintf("{\"event_id\":\"%032d\"}\n{\"type\":\"event\"}\n{\"message\":\"by envelope\"}\n", i+1))
		for _, c := range []struct {
			args []string
			want string
		}{
			{[]string{"info"}, in.URL},
			{[]string{"debug-files", "check", sym}, "Usable: yes"},
			{[]string{"debug-files", "upload", "--wait", sym}, "shop"},
			{[]string{"upload-proguard", mapping}, ""},
			{[]string{"send-event", "-m", "by hand"}, "Event"},
			{[]string{"send-envelope", "--raw", envelope}, ""},
		} {
			if c.args[0] == "upload-proguard" && i == 1 {
				c.args = []string{"debug-files", "upload", "--wait", "--type", "proguard", mapping}
				if help := in.cli(t, program, "--help"); strings.Contains(help, "upload-proguard") {
					c.args = []string{"upload-proguard", mapping}
				}
			}
			if printed := in.cli(t, program, c.args...); !strings.Contains(printed, c.want) {
				t.Errorf("%s: want %q in %s", strings.Join(c.args, " "), c.want, printed)
			}
		}
	}
	var files []struct{ SymbolType, DebugID string }
	if err := in.api(t.Context(), "projects/"+in.Organization+"/"+in.Project+"/files/dsyms/", &files); err != nil || len(files) != 4 {
		t.Errorf("want two files of each kind, got %v %+v", err, files)
	}
}

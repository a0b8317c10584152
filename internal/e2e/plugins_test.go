package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestBundlerPluginsUploadWhatTheyBuild builds a page with the real plugin of each bundler, which
// uploads the map and finalizes the release, and reads what the browser's SDK reports.
func TestBundlerPluginsUploadWhatTheyBuild(t *testing.T) {
	t.Parallel()
	in := up(t)
	sdks := installSDKs(t)
	for _, file := range []string{"browser.js", "vite.config.mjs", "webpack.build.mjs"} {
		copyIn(t, sdks, file)
	}
	table := newTable("Plugin", "Result")
	for name, command := range map[string][]string{
		"vite":    {filepath.Join(sdks, "node_modules/.bin/vite"), "build", "--config", "vite.config.mjs"},
		"webpack": {"node", "webpack.build.mjs"},
	} {
		t.Run(name, func(t *testing.T) {
			out, release := t.TempDir(), "shop-"+name+"@7.1.0"
			build := exec.CommandContext(t.Context(), command[0], command[1:]...)
			build.Dir = sdks
			build.Env = append(os.Environ(), "OUT="+out, "RELEASE="+release,
				"SENTRY_CONFIG_DIR="+t.TempDir(), // the plugins remember the servers of organizations there
				fmt.Sprintf(`PLUGIN={"url":%q,"authToken":%q,"org":%q,"project":%q}`, in.URL, in.AuthToken, in.Organization, in.Project))
			printed, err := build.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, printed)
			}
			frame := in.lastFrame(t, buy(t, shopPage(t, out), in.DSN))
			if !strings.Contains(frame, "browser.js") || !strings.Contains(frame, "item.price.amount") {
				t.Errorf("the event is not readable: %s\n%s", frame, printed)
			}
			var made struct{ Version, DateReleased string }
			err = in.api(t.Context(), "organizations/"+in.Organization+"/releases/"+release+"/", &made)
			if err != nil || made.Version != release || made.DateReleased == "" {
				t.Errorf("the release is not finalized: %v %+v\n%s", err, made, printed)
			}
			table.add("@sentry/"+name+"-plugin", 0, "item.price.amount")
		})
	}
	table.check(t, "plugins")
}

// Command assets bundles the pages' own style sheets and TypeScript into the two files that the web
// service embeds. Its output depends on its input alone, so that a check can ask whether the
// committed files are fresh.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"
)

// root is the assets folder as seen from internal/tools, where go run -C puts us.
const root = "../web/ui/assets"

func main() {
	if err := build(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func build() error {
	dir, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	res := api.Build(api.BuildOptions{
		AbsWorkingDir: dir,
		EntryPoints:   []string{"src/app.ts", "src/app.css", "src/icon.svg"},
		Loader:        map[string]api.Loader{".svg": api.LoaderCopy},
		Outdir:        "dist",
		Bundle:        true,
		Write:         true,
		Format:        api.FormatIIFE,
		Charset:       api.CharsetASCII,
		LegalComments: api.LegalCommentsNone,
		Engines: []api.Engine{
			{Name: api.EngineChrome, Version: "120"},
			{Name: api.EngineFirefox, Version: "121"},
			{Name: api.EngineSafari, Version: "17.2"},
		},
		MinifyWhitespace:  true,
		MinifyIdentifiers: true,
		MinifySyntax:      true,
		TsconfigRaw:       `{"compilerOptions":{"strict":true,"target":"ES2022"}}`,
	})
	for _, m := range res.Errors {
		where := ""
		if m.Location != nil {
			where = fmt.Sprintf("%s:%d: ", m.Location.File, m.Location.Line)
		}
		fmt.Fprintln(os.Stderr, where+m.Text)
	}
	if len(res.Errors) > 0 {
		return fmt.Errorf("%d errors in the assets", len(res.Errors))
	}
	return nil
}

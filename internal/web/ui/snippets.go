package ui

import (
	"strings"

	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// snippets are how SDKs are set up; DSN stands for the address, and the curl line has its parts.
var snippets = []view.Snippet{
	{ID: "browser", Name: "Browser JavaScript", Install: "npm install @sentry/browser", Code: `import * as Sentry from "@sentry/browser";

Sentry.init({ dsn: "{DSN}" });

Sentry.captureException(new Error("It works"));`},
	{ID: "node", Name: "Node.js", Install: "npm install @sentry/node", Code: `// instrument.js, loaded first: node --import ./instrument.js app.js
import * as Sentry from "@sentry/node";

Sentry.init({ dsn: "{DSN}" });

Sentry.captureException(new Error("It works"));`},
	{ID: "python", Name: "Python", Install: "pip install sentry-sdk", Code: `import sentry_sdk

sentry_sdk.init(dsn="{DSN}")

sentry_sdk.capture_exception(RuntimeError("It works"))`},
	{ID: "go", Name: "Go", Install: "go get github.com/getsentry/sentry-go", Code: `if err := sentry.Init(sentry.ClientOptions{Dsn: "{DSN}"}); err != nil {
	log.Fatal(err)
}
defer sentry.Flush(2 * time.Second)

sentry.CaptureException(errors.New("it works"))`},
	{ID: "ruby", Name: "Ruby", Install: "gem install sentry-ruby", Code: `require "sentry-ruby"

Sentry.init { |config| config.dsn = "{DSN}" }

Sentry.capture_message("It works")`},
	{ID: "php", Name: "PHP", Install: "composer require sentry/sentry", Code: `\Sentry\init(['dsn' => '{DSN}']);

\Sentry\captureMessage('It works');`},
	{ID: "java", Name: "Java", Install: "implementation 'io.sentry:sentry:8.+'", Code: `Sentry.init(options -> options.setDsn("{DSN}"));

Sentry.captureException(new RuntimeException("It works"));`},
	{ID: "dotnet", Name: ".NET", Install: "dotnet add package Sentry", Code: `using var sentry = SentrySdk.Init(o => o.Dsn = "{DSN}");

SentrySdk.CaptureMessage("It works");`},
	{ID: "rust", Name: "Rust", Install: "cargo add sentry", Code: `let _guard = sentry::init("{DSN}");

sentry::capture_message("It works", sentry::Level::Error);`},
	{ID: "curl", Name: "curl", Code: `curl '{STORE}' \
  -H 'X-Sentry-Auth: Sentry sentry_version=7, sentry_key={KEY}' \
  -H 'Content-Type: application/json' \
  -d '{"message": "It works", "level": "error"}'`},
}

// snippetsFor fills in a project's own address.
func (u *UI) snippetsFor(projectID, publicKey, dsn string) []view.Snippet {
	fill := strings.NewReplacer("{DSN}", dsn, "{KEY}", publicKey, "{STORE}", u.IngestURL+"/api/"+projectID+"/store/")
	list := make([]view.Snippet, len(snippets))
	for i, s := range snippets {
		s.Code = fill.Replace(s.Code)
		list[i] = s
	}
	return list
}

package ui

import (
	"strings"

	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// cliMaps is how source maps are uploaded.
const cliMaps = `export SENTRY_URL={URL} SENTRY_ORG={ORG} SENTRY_PROJECT={PROJECT} SENTRY_AUTH_TOKEN=…
npx @sentry/cli sourcemaps inject ./dist
npx @sentry/cli sourcemaps upload ./dist`

// snippets are how SDKs are set up; the words in braces stand for the project's own.
var snippets = []view.Snippet{
	{ID: "browser", Name: "Browser JavaScript", Install: "npm install @sentry/browser", Code: `import * as Sentry from "@sentry/browser";

Sentry.init({ dsn: "{DSN}" });

Sentry.captureException(new Error("It works"));`, Maps: cliMaps},
	{ID: "react", Name: "React", Install: "npm install @sentry/react", Code: `import * as Sentry from "@sentry/react";

Sentry.init({ dsn: "{DSN}" });

// React 19: report what components throw
createRoot(container, {
  onUncaughtError: Sentry.reactErrorHandler(),
  onCaughtError: Sentry.reactErrorHandler(),
}).render(<App />);`, Maps: cliMaps},
	{ID: "vue", Name: "Vue", Install: "npm install @sentry/vue", Code: `import { createApp } from "vue";
import * as Sentry from "@sentry/vue";

const app = createApp(App);
Sentry.init({ app, dsn: "{DSN}" });
app.mount("#app");`, Maps: cliMaps},
	{ID: "nextjs", Name: "Next.js", Install: "npm install @sentry/nextjs", Code: `// instrumentation-client.js, sentry.server.config.js and sentry.edge.config.js
import * as Sentry from "@sentry/nextjs";

Sentry.init({ dsn: "{DSN}" });

// next.config.js: withSentryConfig(config, { org: "{ORG}", project: "{PROJECT}", sentryUrl: "{URL}" })`, Maps: cliMaps},
	{ID: "node", Name: "Node.js", Install: "npm install @sentry/node", Code: `// instrument.js, loaded first: node --import ./instrument.js app.js
import * as Sentry from "@sentry/node";

Sentry.init({ dsn: "{DSN}" });

Sentry.captureException(new Error("It works"));`, Maps: cliMaps},
	{ID: "python", Name: "Python", Install: "pip install sentry-sdk", Code: `import sentry_sdk

sentry_sdk.init(dsn="{DSN}")

sentry_sdk.capture_exception(RuntimeError("It works"))`},
	{ID: "django", Name: "Django", Install: `pip install "sentry-sdk[django]"`, Code: `# settings.py
import sentry_sdk

sentry_sdk.init(
    dsn="{DSN}",
    send_default_pii=True,  # users and addresses, if you may keep them
)`},
	{ID: "flask", Name: "Flask", Install: `pip install "sentry-sdk[flask]"`, Code: `import sentry_sdk
from flask import Flask

sentry_sdk.init(dsn="{DSN}")

app = Flask(__name__)

@app.route("/boom")
def boom():
    1 / 0`},
	{ID: "fastapi", Name: "FastAPI", Install: `pip install "sentry-sdk[fastapi]"`, Code: `import sentry_sdk
from fastapi import FastAPI

sentry_sdk.init(dsn="{DSN}")

app = FastAPI()

@app.get("/boom")
async def boom():
    1 / 0`},
	{ID: "go", Name: "Go", Install: "go get github.com/getsentry/sentry-go", Code: `if err := sentry.Init(sentry.ClientOptions{Dsn: "{DSN}"}); err != nil {
	log.Fatal(err)
}
defer sentry.Flush(2 * time.Second)

sentry.CaptureException(errors.New("it works"))`},
	{ID: "java", Name: "Java", Install: "implementation 'io.sentry:sentry:8.+'", Code: `Sentry.init(options -> options.setDsn("{DSN}"));

Sentry.captureException(new RuntimeException("It works"));`},
	{ID: "spring", Name: "Spring Boot", Install: "implementation 'io.sentry:sentry-spring-boot-starter-jakarta:8.+'", Code: `# application.properties
sentry.dsn={DSN}
sentry.send-default-pii=true`},
	{ID: "android", Name: "Kotlin, Android", Install: `plugins { id("io.sentry.android.gradle") version "5.+" }`, Code: `<!-- AndroidManifest.xml, within <application> -->
<meta-data android:name="io.sentry.dsn" android:value="{DSN}" />`},
	{ID: "swift", Name: "Swift, Apple", Install: `.package(url: "https://github.com/getsentry/sentry-cocoa", from: "8.0.0")`, Code: `import Sentry

SentrySDK.start { options in
    options.dsn = "{DSN}"
}

SentrySDK.capture(message: "It works")`},
	{ID: "php", Name: "PHP", Install: "composer require sentry/sentry", Code: `\Sentry\init(['dsn' => '{DSN}']);

\Sentry\captureMessage('It works');`},
	{ID: "laravel", Name: "Laravel", Install: "composer require sentry/sentry-laravel", Code: `# .env
SENTRY_LARAVEL_DSN={DSN}

// bootstrap/app.php
->withExceptions(function (Exceptions $exceptions) {
    \Sentry\Laravel\Integration::handles($exceptions);
})`},
	{ID: "ruby", Name: "Ruby", Install: "gem install sentry-ruby", Code: `require "sentry-ruby"

Sentry.init { |config| config.dsn = "{DSN}" }

Sentry.capture_message("It works")`},
	{ID: "rails", Name: "Rails", Install: "bundle add sentry-ruby sentry-rails", Code: `# config/initializers/sentry.rb
Sentry.init do |config|
  config.dsn = "{DSN}"
  config.breadcrumbs_logger = [:active_support_logger, :http_logger]
end`},
	{ID: "dotnet", Name: ".NET", Install: "dotnet add package Sentry", Code: `using var sentry = SentrySdk.Init(o => o.Dsn = "{DSN}");

SentrySdk.CaptureMessage("It works");`},
	{ID: "rust", Name: "Rust", Install: "cargo add sentry", Code: `let _guard = sentry::init("{DSN}");

sentry::capture_message("It works", sentry::Level::Error);`},
	{ID: "elixir", Name: "Elixir", Install: `{:sentry, "~> 11.0"}, {:jason, "~> 1.4"}`, Code: `# config/config.exs
config :sentry, dsn: "{DSN}"

# anywhere
Sentry.capture_message("It works")`},
	{ID: "flutter", Name: "Flutter", Install: "flutter pub add sentry_flutter", Code: `import 'package:sentry_flutter/sentry_flutter.dart';

Future<void> main() async {
  await SentryFlutter.init(
    (options) => options.dsn = '{DSN}',
    appRunner: () => runApp(const MyApp()),
  );
}`},
	{ID: "react-native", Name: "React Native", Install: "npm install @sentry/react-native", Code: `import * as Sentry from "@sentry/react-native";

Sentry.init({ dsn: "{DSN}" });

export default Sentry.wrap(App);`, Maps: cliMaps},
	{ID: "curl", Name: "curl", Install: "", Code: `curl '{STORE}' \
  -H 'X-Sentry-Auth: Sentry sentry_version=7, sentry_key={KEY}' \
  -H 'Content-Type: application/json' \
  -d '{"message": "It works", "level": "error"}'`},
}

// snippetsFor fills in a project's own address. The one called at is the current one, else that of
// the project's platform.
func (u *UI) snippetsFor(p view.Project, org, publicKey, dsn, at string) []view.Snippet {
	fill := strings.NewReplacer("{DSN}", dsn, "{KEY}", publicKey, "{STORE}", u.IngestURL+"/api/"+p.ID+"/store/",
		"{URL}", u.BaseURL, "{ORG}", org, "{PROJECT}", p.Slug)
	list := make([]view.Snippet, len(snippets))
	current := 0
	for i, s := range snippets {
		s.Code, s.Maps = fill.Replace(s.Code), fill.Replace(s.Maps)
		if s.ID == at || at == "" && current == 0 && p.Platform != "" && platformOf(s.ID) == platformOf(p.Platform) {
			current = i
		}
		list[i] = s
	}
	list[current].Current = true
	return list
}

// platformOf is the snippet for a platform as SDKs and Sentry's API call it.
func platformOf(name string) string {
	switch name {
	case "javascript":
		return "browser"
	case "cocoa", "apple", "apple-ios":
		return "swift"
	case "csharp":
		return "dotnet"
	}
	name = strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(name, "javascript-"), "python-"), "java-")
	return strings.TrimPrefix(strings.TrimPrefix(name, "php-"), "node-")
}

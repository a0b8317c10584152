package operator

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// TestDeployFilesAreFresh holds what is generated from deploy/bindings.yaml to what the program
// says today.
func TestDeployFilesAreFresh(t *testing.T) {
	for name, command := range map[string]string{"../../deploy/compose.yaml": "compose", "../../deploy/chart/values.yaml": "values"} {
		want := output(t, "bindings", command)
		var doc map[string]any
		if err := yaml.Unmarshal([]byte(want), &doc); err != nil {
			t.Fatalf("%s is no YAML: %v", name, err)
		}
		if *update {
			if err := os.WriteFile(name, []byte(want), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if text, err := os.ReadFile(name); err != nil || string(text) != want {
			t.Errorf("%s is stale (%v); run: make generate", name, err)
		}
	}
}

// TestDashboardsNameMetricsThatExist looks for every metric of the alert rules and the dashboard in
// the code that makes it.
func TestDashboardsNameMetricsThatExist(t *testing.T) {
	var code strings.Builder
	for _, name := range []string{"../ingest/metrics.go", "../processor/metrics.go", "../notifier/metrics.go", "../web/operate/metrics.go", "../web/heartbeat/metrics.go"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code.Write(text)
	}
	for _, name := range []string{"../../deploy/prometheus/alerts.yaml", "../../deploy/grafana/tocsin.json"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`\btocsin_[a-z_]+`).FindAllString(string(text), -1)
		if len(found) < 5 {
			t.Errorf("%s names only %q", name, found)
		}
		for _, metric := range found {
			metric = strings.TrimSuffix(metric, "_bucket")
			short := strings.TrimPrefix(strings.TrimPrefix(metric, "tocsin_processor_"), "tocsin_queue_")
			if !strings.Contains(code.String(), `"`+metric+`"`) && !strings.Contains(code.String(), `("`+short+`"`) {
				t.Errorf("%s asks for %s, which no program makes", name, metric)
			}
		}
	}
}

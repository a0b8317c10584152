package filter

import (
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// browserRule covers the versions from min to max of a browser family.
type browserRule struct {
	family   string
	min, max int
}

// browserOptions are the options of the legacy browser filter. The short ones follow what vendors
// still support.
// Rule: getsentry/relay relay-filter/src/legacy_browsers.rs
var browserOptions = map[string][]browserRule{
	"default": {
		{"IE", 0, 9},
		{"Safari", 0, 5},
		{"Opera", 0, 14},
		{"Opera Mini", 0, 7},
		{"Android", 0, 3},
	},
	"ie_pre_9":         {{"IE", 0, 8}},
	"ie9":              {{"IE", 9, 9}},
	"ie10":             {{"IE", 10, 10}},
	"ie11":             {{"IE", 11, 11}},
	"opera_pre_15":     {{"Opera", 0, 14}},
	"opera_mini_pre_8": {{"Opera Mini", 0, 7}},
	"android_pre_4":    {{"Android", 0, 3}},
	"safari_pre_6":     {{"Safari", 0, 5}},
	"edge_pre_79":      {{"Edge", 0, 78}},
	"ie":               {{"IE", 0, 11}},
	"safari":           {{"Safari", 0, 11}},
	"opera":            {{"Opera", 0, 50}},
	"opera_mini":       {{"Opera Mini", 0, 34}},
	"android":          {{"Android", 0, 3}},
	"firefox":          {{"Firefox", 0, 66}},
	"chrome":           {{"Chrome", 0, 62}},
	"edge":             {{"Edge", 0, 78}},
}

// browserRules joins the rules of options; unknown options have none.
func browserRules(options []string) []browserRule {
	var out []browserRule
	for _, o := range options {
		out = append(out, browserOptions[o]...)
	}
	return out
}

// legacy tests the browser that Normalize read from the user agent.
func legacy(ev *event.Event, rules []browserRule) bool {
	browser := ev.Context("browser")
	family := textOf(browser.Get("name"))
	if family == "IE Mobile" {
		family = "IE"
	}
	head, _, _ := strings.Cut(textOf(browser.Get("version")), ".")
	major, err := strconv.Atoi(head)
	if err != nil {
		return false
	}
	for _, r := range rules {
		if r.family == family && major >= r.min && major <= r.max {
			return true
		}
	}
	return false
}

// crawlerMarks are the fragments of a folded user agent that give a crawler away.
// Rule: getsentry/relay relay-filter/src/web_crawlers.rs
var crawlerMarks = [...]string{
	"mediapartners-google", "adsbot-google", "googlebot", "feedfetcher-google", "bingbot", "bingpreview",
	"baiduspider", "slurp", "sogou", "facebook", "ia_archiver", "slack", "calypso appcrawler", "pingdom",
	"lyticsbot", "aws security scanner", "hubspot crawler", "bytespider", "better uptime",
}

// crawlerWords give a crawler away where a word ends behind them.
var crawlerWords = [...]string{"bot", "bots", "spider"}

// crawler reports whether a user agent is that of a program that reads the web by itself. The
// client of a person's Slack is none.
func crawler(agent string) bool {
	if agent == "" {
		return false
	}
	if len(agent) > longestText {
		agent = agent[:longestText]
	}
	if slackClient(agent) {
		return false
	}
	agent = fold(agent)
	for _, mark := range crawlerMarks {
		if strings.Contains(agent, mark) {
			return true
		}
	}
	for _, word := range crawlerWords {
		for rest := agent; ; {
			_, after, found := strings.Cut(rest, word)
			if !found {
				break
			}
			if after != "" && strings.IndexByte("/ \t);", after[0]) >= 0 {
				return true
			}
			rest = after
		}
	}
	return false
}

// slackClient reports whether the agent is "Slackbot 1." and a number.
func slackClient(agent string) bool {
	_, after, found := strings.Cut(agent, "Slackbot 1.")
	return found && after != "" && after[0] >= '0' && after[0] <= '9'
}

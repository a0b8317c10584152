package view

import (
	"encoding/json"
	"slices"
	"sort"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// notes lists what processing met and survived, and what scrubbing took away.
func notes(ev *event.Event) (met, removed []Note) {
	told := make(map[string]bool) // the same problem may stand in both places
	for _, e := range ev.Errors {
		met = append(met, Note{Field: e.Name, What: errorWords(e.Type), Detail: cutText(first(aboutOf(e.Value), compact(e.Value)), 400)})
		told[e.Type+" "+e.Name] = true
	}
	var remarks []Note
	for path, m := range ev.Meta {
		for _, e := range m.Errors {
			if told[e.Kind+" "+path] {
				continue
			}
			detail := ""
			if len(m.Value) > 0 {
				detail = cutText(compact(m.Value), 400)
			}
			remarks = append(remarks, Note{Field: path, What: errorWords(e.Kind), Detail: detail})
		}
		for _, r := range m.Remarks {
			n := Note{Field: path, What: remarkWords(r), Detail: lengthWords(m.Length)}
			if strings.HasPrefix(r.Rule, "!") && r.Rule != "!config" || r.Kind == "a" {
				remarks = append(remarks, n)
			} else {
				removed = append(removed, n)
			}
		}
	}
	byField := func(list []Note) {
		sort.SliceStable(list, func(i, j int) bool { return list[i].Field < list[j].Field })
	}
	byField(remarks)
	byField(removed)
	return append(met, remarks...), removed
}

// errorSentences say what a kind of problem means where its name does not.
var errorSentences = map[string]string{
	"clock_drift":       "the client's clock was wrong; times were moved",
	"future_timestamp":  "a time lies in the future",
	"past_timestamp":    "a time lies too far back",
	"value_too_long":    "was longer than is kept",
	"invalid_data":      "was not as the protocol has it and was left out",
	"invalid_attribute": "is not known and was left out",
	"missing_attribute": "is missing",

	"native_no_crashed_thread": "does not show the crash",
	"minidump_damaged":         "is damaged",

	"grouping_rules_unusable": "a grouping rule of the project cannot be used; the other rules grouped the event",
	"exception_group_invalid": "the exceptions contradict each other about which one caused which; they were grouped in the order they came",
	"stacktrace_shortened":    "had more frames than are kept; those in the middle were left out",
}

func errorWords(kind string) string {
	if s := first(errorSentences[kind], symbolErrors[kind]); s != "" {
		return s
	}
	return strings.ReplaceAll(kind, "_", " ")
}

func remarkWords(r event.Remark) string {
	switch r.Rule {
	case "!limit":
		return "cut to its limit"
	case "!config":
		return "changed by the settings"
	case "!raw":
		return "not kept as it was sent"
	}
	rule := strings.TrimPrefix(r.Rule, "@")
	switch r.Kind {
	case "x":
		return "removed by rule " + rule
	case "m":
		return "masked by rule " + rule
	case "p":
		return "replaced by a hash by rule " + rule
	case "s":
		return "replaced by rule " + rule
	}
	return "noted by rule " + rule
}

// subjectOf is what a processing error is about: the file it names with the command that mends it,
// else the field.
func subjectOf(e event.ProcessingError) string {
	if len(e.Value) > 0 && e.Value[0] == '"' {
		return scalar(e.Value)
	}
	about := aboutOf(e.Value)
	if about == "" && e.Name != "" {
		return e.Name
	}
	return about
}

// aboutOf is what the value of a processing error of ours says in words: the file, what is wrong with it,
// and the command that mends it; empty for another value.
func aboutOf(value event.Value) string {
	var about struct {
		Image   string `json:"image_path"`
		URL     string `json:"url"`
		Message string `json:"message"`
		Command string `json:"command"`
	}
	if json.Unmarshal(value, &about) != nil {
		return ""
	}
	parts := slices.DeleteFunc([]string{about.Image, about.URL, about.Message, about.Command}, func(s string) bool { return s == "" })
	return strings.Join(parts, ": ")
}

// symbolErrors say why a frame could not be resolved, by the kind of processing error.
// Rule: getsentry/sentry src/sentry/models/eventerror.py
var symbolErrors = map[string]string{
	"js_generic_fetch_error":        "the source file could not be fetched",
	"js_invalid_http_code":          "the server of the source file answered with an error",
	"js_invalid_content":            "the source file is not JavaScript",
	"js_no_column":                  "the browser gave no column",
	"js_missing_source":             "no source map was uploaded for the file",
	"js_invalid_source":             "the source map cannot be read",
	"js_missing_sourcemap":          "the script was uploaded without its source map",
	"js_invalid_location":           "the source map has nothing for this line and column: it is of another build, or the frame names none",
	"js_invalid_source_encoding":    "the source file is in an unknown encoding",
	"js_invalid_sourcemap":          "the source map is damaged",
	"js_invalid_sourcemap_location": "the source map has nothing for this line and column",
	"js_too_many_remote_sources":    "too many source files",
	"js_too_large":                  "the source map is too large",
	"js_missing_sources_content":    "the source map does not contain its sources",
	"native_missing_dsym":           "the debug file is missing",
	"native_missing_symbol":         "the debug file has no symbol for the address",
	"native_missing_system_dsym":    "the debug file of the system library is missing",
	"native_bad_dsym":               "the debug file is damaged",
	"native_symbolicator_failed":    "the symbolicator could not help",
	"proguard_missing_mapping":      "the ProGuard mapping is missing",
}

// unresolved lists why frames stayed as they arrived, each reason once with the files it is about.
func unresolved(ev *event.Event) []Note {
	var list []Note
	at := make(map[string]int)
	for _, e := range ev.Errors {
		words := symbolErrors[e.Type]
		if words == "" && !strings.HasPrefix(e.Type, "js_") && !strings.HasPrefix(e.Type, "native_") {
			continue
		}
		words = first(words, errorWords(e.Type))
		i, known := at[words]
		if !known {
			i = len(list)
			at[words] = i
			list = append(list, Note{What: words})
		}
		subject := subjectOf(e)
		if subject != "" && len(list[i].Detail) < 400 && !strings.Contains(list[i].Detail, subject) {
			if list[i].Detail != "" {
				list[i].Detail += ", "
			}
			list[i].Detail += cutText(subject, 200)
		}
	}
	return list
}

package ingest

import (
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// Bounds on a profile. Rule: getsentry/relay relay-profiling/src/lib.rs
const (
	minSamples = 2
	maxProfile = 30 * time.Second
)

// profileHead is what acceptance has to know of a profile.
type profileHead struct {
	version, platform, profilerID, chunkID string
	android                                bool // has a trace of the Android runtime
	samples, frames, stacks                int
	first, last                            uint64 // nanoseconds since the start
}

// readProfile reads a profile of any form, keeping nothing of its lists.
func readProfile(payload []byte) (profileHead, error) {
	var h profileHead
	err := members(payload, func(name string, dec *jsontext.Decoder) error {
		switch {
		case name == "version":
			return readText(dec, &h.version)
		case name == "platform":
			return readText(dec, &h.platform)
		case name == "profiler_id":
			return readText(dec, &h.profilerID)
		case name == "chunk_id":
			return readText(dec, &h.chunkID)
		case name == "sampled_profile":
			h.android = dec.PeekKind() == '"'
		case name == "profile" && dec.PeekKind() == '{':
			return h.sampled(dec)
		}
		return dec.SkipValue()
	})
	return h, err
}

// sampled reads the lists of a sampled profile.
func (h *profileHead) sampled(dec *jsontext.Decoder) error {
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		list := name.String()
		if dec.PeekKind() != '[' {
			err = dec.SkipValue()
		} else {
			err = elements(dec, func(v jsontext.Value) { h.element(list, v) })
		}
		if err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

func (h *profileHead) element(list string, v jsontext.Value) {
	switch list {
	case "frames":
		h.frames++
	case "stacks":
		h.stacks++
	case "samples":
		var s struct {
			Elapsed jsontext.Value `json:"elapsed_since_start_ns"`
		}
		if json.Unmarshal(v, &s, lax) == nil {
			at, _ := strconv.ParseUint(strings.Trim(string(s.Elapsed), `"`), 10, 64) // 0 when there is none
			if h.samples == 0 {
				h.first, h.last = at, at
			}
			h.first, h.last = min(h.first, at), max(h.last, at)
		}
		h.samples++
	}
}

// readText reads a string or number as text; anything else is no text.
func readText(dec *jsontext.Decoder, to *string) error {
	v, err := dec.ReadValue()
	if err == nil && (v.Kind() == '"' || v.Kind() == '0') {
		*to = strings.Trim(string(v), `"`)
	}
	return err
}

// checkProfile asks a profile for its transaction, and for samples that make a profile.
// Rule: getsentry/relay relay-profiling/src/sample/v1.rs
func checkProfile(_ *request, env *envelope.Envelope, it *envelope.Item) verdict {
	transaction := false
	for i := range env.Items {
		transaction = transaction || env.Items[i].Type == "transaction"
	}
	h, err := readProfile(it.Payload)
	switch {
	case !transaction:
		return invalidItem("profiling_no_transaction_associated")
	case err != nil:
		return invalidItem("profiling_invalid_json")
	case h.android:
		return verdict{}
	case h.version != "1":
		return invalidItem("profiling_invalid_profile_metadata")
	case h.samples < minSamples:
		return invalidItem("profiling_not_enough_samples")
	case h.stacks == 0:
		return invalidItem("profiling_malformed_stacks")
	case h.frames == 0:
		return invalidItem("profiling_malformed_samples")
	case h.last-h.first > uint64(maxProfile):
		return invalidItem("profiling_duration_is_too_long")
	}
	return verdict{}
}

// checkChunk asks a part of a continuous profile for its ids.
// Rule: getsentry/relay relay-profiling/src/sample/v2.rs
func checkChunk(_ *request, _ *envelope.Envelope, it *envelope.Item) verdict {
	h, err := readProfile(it.Payload)
	switch {
	case err != nil:
		return invalidItem("profiling_invalid_json")
	case h.version != "2", h.platform == "", !hexID(h.profilerID, 16), !hexID(h.chunkID, 16):
		return invalidItem("profiling_invalid_profile_metadata")
	}
	return verdict{}
}

// profileCategory is the category by which profiles of a platform count once more; ok is false
// when the item's header does not name one.
func profileCategory(platform string) (c outcome.Category, ok bool) {
	switch {
	case platform == "":
		return outcome.UnknownItem, false
	case uiPlatform(platform):
		return outcome.ProfileUI, true
	}
	return outcome.ProfileBackend, true
}

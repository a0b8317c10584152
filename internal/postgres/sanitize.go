package postgres

import (
	"strings"
	"unicode/utf8"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// What columns take, in bytes. Those in primary keys stay well below the 2,700 bytes that an index
// entry may have.
const (
	maxTitle       = 1024
	maxLogger      = 256
	maxRelease     = 1000
	maxEnvironment = 256
	maxTagKey      = 200
	maxTagValue    = 800
	maxUserKey     = 800
	maxReason      = 200
	maxTags        = 250 // per event
	maxHashes      = 64  // per event
	maxMetadata    = 4096
)

// Sanitize makes the record storable whatever it holds: texts lose NUL bytes and what is no UTF-8,
// and are cut to what the columns take; tags without a key or value go, and further values of a
// key too.
func (r *Record) Sanitize() {
	r.Title, r.Culprit, r.Logger = clean(r.Title, maxTitle), clean(r.Culprit, maxTitle), clean(r.Logger, maxLogger)
	r.Platform, r.Type = clean(r.Platform, maxLogger), event.Type(clean(string(r.Type), maxLogger))
	r.Release, r.Environment, r.UserKey = clean(r.Release, maxRelease), clean(r.Environment, maxEnvironment), clean(r.UserKey, maxUserKey)
	m := &r.Metadata
	for _, s := range [...]*string{&m.Type, &m.Value, &m.Filename, &m.Function, &m.Title, &m.Culprit, &m.Location} {
		*s = clean(*s, maxMetadata)
	}
	kept := r.Tags[:0]
	for i := range r.Tags {
		key, value := clean(r.Tags[i].Key, maxTagKey), clean(r.Tags[i].Value, maxTagValue)
		if key != "" && value != "" && len(kept) < maxTags && !hasKey(kept, key) {
			kept = append(kept, event.Pair{Key: key, Value: value})
		}
	}
	r.Tags = kept
	properties := r.Properties[:0]
	for i := range r.Properties {
		if key, value := clean(r.Properties[i].Key, maxTagKey), clean(r.Properties[i].Value, maxTagValue); key != "" && value != "" {
			properties = append(properties, event.Pair{Key: key, Value: value})
		}
	}
	r.Properties = properties
	r.Hashes = r.Hashes[:min(len(r.Hashes), maxHashes)]
}

func hasKey(tags []event.Pair, key string) bool {
	for i := range tags {
		if tags[i].Key == key {
			return true
		}
	}
	return false
}

// clean returns s as a column of at most limit bytes takes it.
func clean(s string, limit int) string {
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "")
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

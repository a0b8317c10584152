package ingest

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/klauspost/compress/zlib"

	"github.com/tocsin-dev/tocsin/internal/dsn"
	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/unreal"
)

// The types of the files that an engine's crash archive is made of.
// Rule: getsentry/relay relay-server/src/envelope/attachment.rs
const (
	typeAppleReport   = "event.applecrashreport"
	typeUnrealContext = "unreal.context"
	typeUnrealLog     = "unreal.logs"
)

// acceptUnreal answers POST /api/{project}/unreal/{key}/, the crash archives of the Unreal Engine,
// with the id of the event that the crash becomes, as text. The crash reporter sends once, so that
// limits are not answered.
// fault.Invalid: empty, or no such archive. fault.TooLarge.
// Rule: getsentry/relay relay-server/src/endpoints/unreal.rs
func (s *Service) acceptUnreal(w http.ResponseWriter, r *http.Request) error {
	q, err := s.newRequest(r, outcome.Error)
	if err == nil || err == dsn.ErrMissing {
		err = s.admitByPath(q, chi.URLParam(r, "key"), err)
	}
	if err != nil {
		return err
	}
	body, err := s.readBody(w, r, s.cfg.MaxEnvelopeBytes)
	if err != nil {
		return s.unreadable(q, err)
	}
	defer body.free()
	archive, err := s.unpackWith(r.Context(), func(in io.Reader) (io.Reader, error) { return zlib.NewReader(in) }, body.b)
	if err != nil {
		return s.refuseCrash(q, err, unrealReason(err))
	}
	defer archive.free()
	files, err := unreal.Files(archive.b)
	if err != nil {
		return s.refuseCrash(q, fault.Wrap(err, fault.Invalid, "invalid unreal crash report"), outcome.ReasonUnreal)
	}
	env := unrealEnvelope(files, q.query.Get("UserID"))
	return s.answerCrash(r.Context(), w, q, env)
}

func unrealReason(err error) string {
	if fault.KindOf(err) == fault.TooLarge {
		return outcome.ReasonTooLarge + ":attachment"
	}
	return outcome.ReasonUnreal
}

// unrealEnvelope makes an envelope of an archive's files: the event that the game, the engine and its
// log tell of, the words of the user, and every file. user is what the crash reporter knows the
// machine's user by: ids of the login, of the account and of the machine.
// Rule: getsentry/relay relay-server/src/utils/unreal.rs
func unrealEnvelope(files []unreal.File, user string) *envelope.Envelope {
	env := &envelope.Envelope{}
	f := &form{}
	doc := document{}
	var report unreal.Report
	var log []byte
	for i := range files {
		file := &files[i]
		it := envelope.Item{Type: event.ItemAttachment, Filename: file.Name, Count: -1, Payload: file.Data}
		switch file.Kind() {
		case unreal.Minidump:
			it.AttachmentType = typeMinidump
		case unreal.AppleReport:
			it.AttachmentType, it.ContentType = typeAppleReport, "text/plain"
		case unreal.Log:
			it.AttachmentType, it.ContentType, log = typeUnrealLog, "text/plain", file.Data
		case unreal.Context:
			it.AttachmentType, it.ContentType = typeUnrealContext, "text/xml"
			report, _ = unreal.ReadContext(file.Data) // what cannot be read is an attachment all the same
		case unreal.Other:
			if file.Name == partEvent || file.Name == partBreadcrumb1 || file.Name == partBreadcrumb2 {
				f.parts = append(f.parts, part{name: file.Name, file: true, buffer: &buffer{b: file.Data}, borrowed: true})
				continue
			}
		}
		env.Items = append(env.Items, it)
	}
	if told := report.Game["__sentry"]; told != "" {
		merge(doc, decodeDoc([]byte(told)), 0)
		takeID(doc, &env.Header)
	}
	merge(doc, clientEvent(f, &env.Header), 0)
	delete(doc, "event_id")
	words, name := report.Runtime["UserDescription"], cmp.Or(report.Runtime["UserName"], "unknown")
	describeUnreal(doc, report)
	addUnrealUser(doc, user)
	addUnrealLog(doc, log)
	env.Items = append(env.Items, envelope.Item{Type: "event", Count: -1, Payload: encodeDoc(doc)})
	if words != "" {
		payload, err := json.Marshal(map[string]string{"comments": words, "name": name})
		if err == nil {
			env.Items = append(env.Items, envelope.Item{Type: event.ItemUserReport, Count: -1, Payload: payload})
		}
	}
	return env
}

// object is the member of doc with a name, made where there is none.
func object(doc document, name string) document {
	inner, ok := doc[name].(map[string]any)
	if !ok {
		inner = document{}
		doc[name] = inner
	}
	return inner
}

// describeUnreal sets what the engine says of a crash, and takes it out of the report.
func describeUnreal(doc document, r unreal.Report) {
	fill(doc, "platform", "native")
	fill(doc, "level", "fatal")
	take := func(name string) string {
		v := r.Runtime[name]
		delete(r.Runtime, name)
		return v
	}
	if text := take("ErrorMessage"); text != "" {
		fill(doc, "logentry", document{"formatted": text})
	}
	if name := r.Runtime["UserName"]; name != "" {
		fill(object(doc, "user"), "username", name)
	}
	contexts := object(doc, "contexts")
	if bytes, err := strconv.ParseInt(take("MemoryStats.TotalPhysical"), 10, 64); err == nil {
		fill(object(contexts, "device"), "memory_size", bytes)
	}
	if name := take("Misc.OSVersionMajor"); name != "" {
		fill(object(contexts, "os"), "name", name)
	}
	if name := take("Misc.PrimaryGPUBrand"); name != "" {
		fill(object(contexts, "gpu"), "name", name)
	}
	take("Modules")         // the crash report lists them with their places
	take("UserDescription") // becomes an item of its own
	fill(doc, "sdk", document{"name": "unreal.crashreporter", "version": cmp.Or(take("CrashReportClientVersion"), "0.0.0")})
	for name, section := range map[string]map[string]string{"game": r.Game, "unreal": r.Runtime, "unreal_engine": r.Engine} {
		for key, v := range section {
			if key != "__sentry" {
				fill(object(contexts, name), key, v)
			}
		}
	}
}

// addUnrealUser sets the user from the ids of the login, the account and the machine, which stand
// between bars.
func addUnrealUser(doc document, text string) {
	ids := strings.SplitN(text, "|", 4)
	if ids[0] != "" {
		fill(object(doc, "user"), "id", ids[0])
	}
	names := [...]string{"epic_account_id", "machine_id"}
	for i, id := range ids[1:min(len(ids), 1+len(names))] {
		if _, list := doc["tags"].([]any); !list && id != "" {
			fill(object(doc, "tags"), names[i], id)
		}
	}
}

// maxUnrealLines is how many lines of the engine's log become breadcrumbs.
const maxUnrealLines = 40

// addUnrealLog makes the last lines of the engine's log breadcrumbs, unless the game sent its own.
func addUnrealLog(doc document, log []byte) {
	var crumbs []any
	for _, line := range unreal.LastLines(log, maxUnrealLines) {
		crumb := document{"message": line.Message}
		if line.Component != "" {
			crumb["category"] = line.Component
		}
		if !line.At.IsZero() {
			crumb["timestamp"] = line.At
		}
		crumbs = append(crumbs, crumb)
	}
	if len(crumbs) > 0 {
		fill(doc, "breadcrumbs", document{"values": crumbs})
	}
}

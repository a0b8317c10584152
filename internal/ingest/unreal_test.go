package ingest

import (
	"encoding/binary"
	"maps"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

const unrealPath = "/api/1/unreal/" + key + "/"

// unrealArchive writes files, pairs of a name and its content, as the engine does, and compresses them.
func unrealArchive(files ...[2]string) string {
	le := binary.LittleEndian
	text := func(b []byte, s string) []byte {
		return append(append(le.AppendUint32(b, 260), s...), make([]byte, 260-len(s))...)
	}
	header := func(b []byte, count int) []byte {
		return le.AppendUint32(le.AppendUint32(text(text(b, "folder"), "name"), 0), uint32(count))
	}
	b := header(nil, 0)
	for i, f := range files {
		b = text(le.AppendUint32(b, uint32(i)), f[0])
		b = append(le.AppendUint32(b, uint32(len(f[1]))), f[1]...)
	}
	return string(zlibbed(string(header(b, len(files)))))
}

const engineSays = `<FGenericCrashContext><RuntimeProperties><UserName>ada</UserName><UserDescription>it fell over</UserDescription>
<MemoryStats.TotalPhysical>6896832512</MemoryStats.TotalPhysical><Misc.OSVersionMajor>Windows 10</Misc.OSVersionMajor>
<ErrorMessage>Access violation</ErrorMessage><CrashType>Crash</CrashType></RuntimeProperties>
<GameData><level>three</level><__sentry>{"release":"shop@1","tags":{"mode":"story"}}</__sentry></GameData></FGenericCrashContext>`

func TestCrashesOfTheUnrealEngineBecomeEvents(t *testing.T) {
	t.Parallel()
	closeIdle(t)
	g := newRig(t)
	body := unrealArchive([2]string{"CrashContext.runtime-xml", engineSays}, [2]string{"UE4Minidump.dmp", crashDump()},
		[2]string{"Game.log", "[2018.10.29-16.56.38:332][  0]LogStats: late\n"}, [2]string{"CrashReportClient.ini", "[a]"})
	id, doc, kept := g.crash("unreal", call{path: unrealPath + "?UserID=login%7Caccount%7Cmachine", auth: "-", body: body}, 5)
	exception := value(doc, "exception").(map[string]any)["values"].([]any)[0].(map[string]any)
	for what, pair := range map[string][2]any{
		"signal": {"SIGSEGV", exception["type"]}, "release": {"shop@1", doc["release"]}, "message": {"Access violation", value(doc, "logentry", "formatted")},
		"user": {"login", value(doc, "user", "id")}, "name": {"ada", value(doc, "user", "username")}, "account": {"account", value(doc, "tags", "epic_account_id")},
		"machine": {"machine", value(doc, "tags", "machine_id")}, "tag": {"story", value(doc, "tags", "mode")},
		"memory": {6896832512.0, value(doc, "contexts", "device", "memory_size")}, "game": {"three", value(doc, "contexts", "game", "level")},
		"engine": {"Crash", value(doc, "contexts", "unreal", "CrashType")}, "client": {"unreal.crashreporter", value(doc, "sdk", "name")},
		"log": {"late", value(doc, "breadcrumbs").(map[string]any)["values"].([]any)[0].(map[string]any)["message"]},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: want %v, got %v", what, pair[0], pair[1])
		}
	}
	if value(doc, "contexts", "game", "__sentry") != nil || value(doc, "contexts", "unreal", "UserDescription") != nil {
		t.Errorf("what has a place of its own stands twice: %v", doc["contexts"])
	}
	if kept["UE4Minidump.dmp"].Type != typeMinidump || kept["CrashContext.runtime-xml"].Type != typeUnrealContext || kept["Game.log"].Type != typeUnrealLog ||
		kept["CrashReportClient.ini"].Type != event.DefaultAttachment {
		t.Errorf("%+v", kept)
	}
	if words := g.words(id); !strings.Contains(words, "it fell over") || !strings.Contains(words, "ada") {
		t.Errorf("the words of the user: %s", words)
	}
	g.crash("not zlib's best, no context", call{path: strings.TrimSuffix(unrealPath, "/"), auth: "-", body: unrealArchive([2]string{"a.dmp", crashDump()})}, 1)
}

// words is the payload of the report that came with an event.
func (g *rig) words(id string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, raw := range g.got {
		if raw.ID.String() == id && raw.ItemType == event.ItemUserReport {
			return string(raw.Payload)
		}
	}
	return ""
}

func TestBadCrashesOfTheUnrealEngineAreRefused(t *testing.T) {
	t.Parallel()
	closeIdle(t)
	g := newRig(t)
	counts := func(reason string) map[outcome.Key]int64 {
		m := invalid(outcome.Error, reason, 1)
		maps.Copy(m, invalid(outcome.Attachment, reason, 1))
		maps.Copy(m, invalid(outcome.AttachmentItem, reason, 1))
		return m
	}
	g.run([]row{
		{name: "empty", call: call{path: unrealPath, auth: "-"}, status: 400, body: detail("empty request body")},
		{name: "not compressed", call: call{path: unrealPath, auth: "-", body: "MDMP"}, status: 400, body: "*", counts: counts("process_unreal")},
		{name: "no archive", call: call{path: unrealPath, auth: "-", body: string(zlibbed("MDMP and more"))}, status: 400, body: detail("invalid unreal crash report"), counts: counts("process_unreal")},
		{name: "bomb", call: call{path: unrealPath, auth: "-", body: string(zlibbed(strings.Repeat("a", 64<<20)))}, status: 413, body: "*", counts: counts("too_large:attachment")},
		{name: "two keys", call: call{path: unrealPath, body: "a"}, status: 401, body: detail("multiple authorization payloads detected")},
		{name: "no key", call: call{path: "/api/1/unreal/abc/", auth: "-", body: "a"}, status: 400, body: detail("bad sentry DSN public key")},
		{name: "unknown key", call: call{path: "/api/1/unreal/" + strings.Repeat("e", 32) + "/", auth: "-", body: "a"}, status: 403, body: "*"},
	})
}

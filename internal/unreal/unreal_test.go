package unreal_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/unreal"
)

// archive writes files as the engine does: a header whose numbers are not known yet, the files, the
// header again.
func archive(magic string, files ...unreal.File) []byte {
	text := func(b []byte, s string) []byte {
		return append(append(binary.LittleEndian.AppendUint32(b, 260), s...), make([]byte, 260-len(s))...)
	}
	header := func(b []byte, count int) []byte {
		b = text(text(append(b, magic...), "UE4CC-Windows"), "UE4CC-Windows.ue4crash")
		return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, uint32(len(b))), uint32(count))
	}
	b := header(nil, 0)
	for i, f := range files {
		b = text(binary.LittleEndian.AppendUint32(b, uint32(i)), f.Name)
		b = append(binary.LittleEndian.AppendUint32(b, uint32(len(f.Data))), f.Data...)
	}
	return header(b, len(files))
}

var crash = []unreal.File{
	{Name: "CrashContext.runtime-xml", Data: []byte("<FGenericCrashContext/>")},
	{Name: "UE4Minidump.dmp", Data: []byte("MDMP\x93\xa7")},
	{Name: "Game.log", Data: []byte("a line")},
	{Name: "report.txt", Data: []byte("Incident Identifier: 1")},
	{Name: "CrashReportClient.ini", Data: []byte{}},
}

func TestArchivesAreTakenApart(t *testing.T) {
	t.Parallel()
	kinds := []unreal.Kind{unreal.Context, unreal.Minidump, unreal.Log, unreal.AppleReport, unreal.Other}
	for _, magic := range []string{"", "CR1"} {
		got, err := unreal.Files(archive(magic, crash...))
		if diff := cmp.Diff(crash, got); err != nil || diff != "" {
			t.Fatalf("%q: %v (-want +got):\n%s", magic, err, diff)
		}
		for i, f := range got {
			if f.Kind() != kinds[i] {
				t.Errorf("%s: want kind %d, got %d", f.Name, kinds[i], f.Kind())
			}
		}
	}
	got, err := unreal.Files(archive("", unreal.File{Name: `..\..\windows\a.log`}))
	if err != nil || got[0].Name != "a.log" {
		t.Errorf("want a name without folders, got %q, %v", got, err)
	}
}

func TestBrokenArchivesAreRefused(t *testing.T) {
	t.Parallel()
	whole := archive("", crash...)
	lying := append([]byte(nil), whole...)
	binary.LittleEndian.PutUint32(lying[len(lying)-4:], 100)
	many := append([]byte(nil), whole...)
	binary.LittleEndian.PutUint32(many[len(many)-4:], 1<<30)
	for name, b := range map[string][]byte{
		"empty": nil, "short": {1}, "cut": whole[:len(whole)-5], "more": append(whole[:len(whole):len(whole)], 0, 0, 0, 0),
		"count": lying, "count beyond bounds": many, "text": []byte(strings.Repeat("a", 4000)),
	} {
		if files, err := unreal.Files(b); err == nil {
			t.Errorf("%s: want an error, got %d files", name, len(files))
		}
	}
}

const contextXML = "\xef\xbb\xbf" + `<?xml version="1.0" encoding="UTF-16"?>
<FGenericCrashContext>
  <RuntimeProperties>
    <UserName>ada</UserName>
    <Misc.OSVersionMajor>Windows 10</Misc.OSVersionMajor>
    <ErrorMessage>Access &amp; violation</ErrorMessage>
    <GameStateName />
    <Threads><Thread><CallStack>deep</CallStack></Thread></Threads>
  </RuntimeProperties>
  <EngineData><RHI.RHIName>D3D12</RHI.RHIName></EngineData>
  <GameData><level>three</level><__sentry>{"release":"shop@1"}</__sentry></GameData>
</FGenericCrashContext>`

func TestTheContextIsRead(t *testing.T) {
	t.Parallel()
	want := unreal.Report{
		Runtime: map[string]string{"UserName": "ada", "Misc.OSVersionMajor": "Windows 10", "ErrorMessage": "Access & violation"},
		Engine:  map[string]string{"RHI.RHIName": "D3D12"},
		Game:    map[string]string{"level": "three", "__sentry": `{"release":"shop@1"}`},
	}
	got, err := unreal.ReadContext([]byte(contextXML))
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	got, err = unreal.ReadContext([]byte(contextXML[:strings.Index(contextXML, "<ErrorMessage>")]))
	if err != nil || got.Runtime["UserName"] != "ada" {
		t.Errorf("cut short: %v %v", got, err)
	}
	for name, text := range map[string]string{"empty": "", "no context": "<a>b</a>", "deep": strings.Repeat("<a>", 100), "long": strings.Repeat(" ", 5<<20)} {
		if got, err := unreal.ReadContext([]byte(text)); err == nil {
			t.Errorf("%s: want an error, got %v", name, got)
		}
	}
}

func TestTheEndOfTheLogIsRead(t *testing.T) {
	t.Parallel()
	log := "Log file open, 10/29/18 17:56:37\r\n" +
		"[2018.10.29-16.56.38:332][  0]LogGameplayTags: Display: done\r\n" +
		"[2018.10.29-16.56.39:7][ 12]no component\nsecond line\n" +
		"[2018.99.29-16.56.39:332][  0]LogStats: bad time\n"
	want := []unreal.Line{
		{At: time.Date(2018, 10, 29, 16, 56, 38, 332e6, time.UTC), Component: "LogGameplayTags", Message: "Display: done"},
		{At: time.Date(2018, 10, 29, 16, 56, 39, 7e6, time.UTC), Message: "no component\nsecond line"},
		{Component: "LogStats", Message: "bad time"},
	}
	if diff := cmp.Diff(want, unreal.LastLines([]byte(log), 10)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var many strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&many, "[2018.10.29-16.56.38:332][  0]LogStats: line %d\n", i)
	}
	got := unreal.LastLines([]byte(many.String()), 2)
	if len(got) != 2 || got[1].Message != "line 99999" || got[0].Message != "line 99998" {
		t.Errorf("want the last two lines, got %v", got)
	}
}

// FuzzArchive: whatever is read lies within the archive, and texts are valid.
func FuzzArchive(f *testing.F) {
	f.Add(archive("", crash...))
	f.Add(archive("CR1", unreal.File{Name: "CrashContext.runtime-xml", Data: []byte(contextXML)}))
	f.Add([]byte(contextXML))
	f.Fuzz(func(t *testing.T, b []byte) {
		files, err := unreal.Files(b)
		sum := 0
		for _, file := range files {
			sum += len(file.Data)
			_ = file.Kind()
		}
		if err == nil && sum > len(b) {
			t.Errorf("%d bytes of files in an archive of %d", sum, len(b))
		}
		_, _ = unreal.ReadContext(b)
		if lines := unreal.LastLines(b, 40); len(lines) > 40 {
			t.Errorf("%d lines", len(lines))
		}
	})
}

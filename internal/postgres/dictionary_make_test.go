package postgres

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/testkit/sdk"
)

func recordOf(issue byte, payload string) *Record {
	return &Record{Project: 1, Hashes: [][16]byte{{issue}}, Payload: []byte(payload)}
}

func TestASampleIsSpreadOverIssues(t *testing.T) {
	t.Parallel()
	s := sample{issues: map[[16]byte]int{}}
	for n := range 1000 {
		issue := byte(1)
		if n%100 == 99 {
			issue = 2
		}
		s.add(recordOf(issue, fmt.Sprintf("<issue %d>", issue)))
	}
	want := bytes.Repeat([]byte("<issue 2>"), dictionaryPerIssue) // frequent ones last
	want = append(want, bytes.Repeat([]byte("<issue 1>"), dictionaryPerIssue)...)
	if got := s.content(); !bytes.Equal(want, got) {
		t.Errorf("want %q, got %q", want, got)
	}
}

func TestASampleIsBounded(t *testing.T) {
	t.Parallel()
	s := sample{issues: map[[16]byte]int{}}
	for n := range 100_000 {
		r := recordOf(0, string(bytes.Repeat([]byte("x"), n%(2*dictionaryPayload))))
		r.Hashes[0] = [16]byte{byte(n), byte(n >> 8), byte(n >> 16)}
		s.add(r)
	}
	if got := len(s.content()); got > dictionaryBytes || got < dictionaryBytes*3/4 || len(s.issues) > 4096 {
		t.Errorf("want at most %d bytes, got %d of %d issues", dictionaryBytes, got, len(s.issues))
	}
}

func TestASampleIsReadyWhenThereIsEnough(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := sample{since: now, issues: map[[16]byte]int{}}
	for n := range dictionaryEvents {
		if s.ready(now.Add(time.Hour)) {
			t.Fatalf("want %d events, ready after %d", dictionaryEvents, n)
		}
		s.add(recordOf(1, string(make([]byte, dictionarySeen/dictionaryEvents))))
	}
	if s.ready(now) || !s.ready(now.Add(dictionaryGather)) {
		t.Errorf("want a sample that has room ready after %v", dictionaryGather)
	}
}

func TestADictionaryIsReplacedWhenItGrowsOldOrUseless(t *testing.T) {
	t.Parallel()
	now := time.Now()
	e := &blockEncoder{dictionary: &dictionary{id: 1, created: now}}
	p := projectDictionary{loaded: true, current: e}
	for range ratioBlocks * 2 {
		e.measure(100_000, 10_000)
	}
	check := func(what string, age time.Duration, want bool) {
		t.Helper()
		if got := p.due(now.Add(age)); got != want {
			t.Errorf("%s, age %v: want %v", what, age, want)
		}
	}
	check("as good as ever", dictionaryRest, false)
	check("as good as ever", dictionaryRenew, true)
	for range ratioBlocks * 4 {
		e.measure(100_000, 20_000)
	}
	check("useless", dictionaryRest-1, false)
	check("useless", dictionaryRest, true)

	d := dictionaries{projects: map[int64]*projectDictionary{1: &p}}
	if got, _ := d.see(1, nil, now.Add(dictionaryUse+1)); got != nil {
		t.Error("a dictionary is used past its time")
	}
}

func TestBusyProjectsKeepTheirDictionaries(t *testing.T) {
	t.Parallel()
	var d dictionaries
	now := time.Now()
	records := []*Record{recordOf(1, "x")}
	for project := range int64(dictionaryProjects) {
		_, job := d.see(project, records, now)
		if job == nil || job.content != nil {
			t.Fatal("want the newest dictionary looked for first")
		}
		d.finish(job, nil, nil, now)
	}
	if e, job := d.see(99, records, now); e != nil || job != nil {
		t.Error("one project more found room")
	}
	now = now.Add(dictionaryIdle)
	for project := range int64(dictionaryProjects - 1) {
		d.see(project, records, now)
	}
	if _, job := d.see(99, records, now); job == nil || len(d.projects) != dictionaryProjects || d.projects[dictionaryProjects-1] != nil {
		t.Errorf("want the idle project replaced, have %d", len(d.projects))
	}
}

func TestAFailureIsNotTriedAgainAtOnce(t *testing.T) {
	t.Parallel()
	var d dictionaries
	now := time.Now()
	_, job := d.see(1, nil, now)
	d.finish(job, nil, errDictionary, now)
	if _, job := d.see(1, nil, now.Add(dictionaryRetry-1)); job != nil {
		t.Error("tried again too early")
	}
	if _, job := d.see(1, nil, now.Add(dictionaryRetry)); job == nil {
		t.Error("not tried again")
	}
}

// generatedRecords are events of 12 KB of a hundred issues, each of which has four bodies that
// differ in ids and times.
func generatedRecords(n int) []*Record {
	records := make([]*Record, n)
	for i := range records {
		rnd := rand.New(rand.NewPCG(uint64(i), 2))
		issue, variant := rnd.Uint64N(100), rnd.Uint64N(4)
		body := rand.New(rand.NewPCG(issue, variant))
		var b strings.Builder
		fmt.Fprintf(&b, `{"event_id":"%016x%016x","timestamp":%d.%03d,"user":{"id":"%d"},"exception":[`, rnd.Uint64(), rnd.Uint64(), 1790000000+i/100, i%1000, rnd.IntN(50_000))
		frames := rand.New(rand.NewPCG(issue, 9))
		for range 30 {
			at := frames.IntN(2000) // of all frames of the program
			fmt.Fprintf(&b, `{"function":"handle_%d","module":"shop.layer%d","lineno":%d,"context_line":"    value = self.lookup_%d(key)"},`, at, at%37, at*7%900, at*13%777)
		}
		for b.Len() < 12<<10 {
			fmt.Fprintf(&b, `{"timestamp":%d,"category":"http","data":{"url":"/api/items/%d","status_code":%d}},`, 1790000000+body.IntN(9), body.IntN(5000), 200+body.IntN(5))
		}
		b.WriteString("null]}")
		records[i] = &Record{Project: 1, Hashes: [][16]byte{{byte(issue)}}, Payload: []byte(b.String())}
	}
	return records
}

// recordedRecords are the events that each real client sent, in an order that mixes its scenarios.
func recordedRecords(t testing.TB) (clients [][]*Record) {
	byClient := make(map[string][]*Record)
	for _, r := range sdk.Requests(t, sdk.KindEnvelope) {
		if r.ContentEncoding != "" {
			continue
		}
		env, err := envelope.Parse(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range env.Items {
			if it.Type == "event" {
				byClient[r.SDK] = append(byClient[r.SDK], &Record{Project: 1, Hashes: [][16]byte{md5.Sum([]byte(r.Scenario))}, Payload: it.Payload})
			}
		}
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	for _, records := range byClient {
		if len(records) >= 2*dictionaryEvents {
			rnd.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
			clients = append(clients, records)
		}
	}
	return clients
}

// BenchmarkBlock makes blocks of the second half of each project's events, without and with a
// dictionary of the first half.
func BenchmarkBlock(b *testing.B) {
	for _, c := range []struct {
		name     string
		projects [][]*Record
	}{{"generated", [][]*Record{generatedRecords(600)}}, {"recorded", recordedRecords(b)}} {
		for _, with := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/dictionary=%t", c.name, with), func(b *testing.B) { benchmarkBlock(b, c.projects, with) })
		}
	}
}

func benchmarkBlock(b *testing.B, projects [][]*Record, with bool) {
	const perBlock = 22
	encoders := make([]*blockEncoder, len(projects))
	blocks := make([][][][]byte, len(projects))
	for i, records := range projects {
		s := sample{issues: map[[16]byte]int{}}
		for _, r := range records[:len(records)/2] {
			s.add(r)
		}
		if with {
			encoders[i], _ = withDictionary(b, s.content())
		}
		for part := range slices.Chunk(records[len(records)/2:], perBlock) {
			var payloads [][]byte
			for _, r := range part {
				payloads = append(payloads, r.Payload)
			}
			blocks[i] = append(blocks[i], payloads)
		}
	}
	var out, raw []byte
	events, stored := 0, 0
	b.ReportAllocs()
	for b.Loop() {
		for i := range projects {
			for _, payloads := range blocks[i] {
				out, raw = appendBlock(out[:0], raw, payloads, encoders[i])
				events, stored = events+len(payloads), stored+len(out)
			}
		}
	}
	b.ReportMetric(float64(stored)/float64(events), "B/event")
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(events), "µs/event")
}

package geo

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

func named(name string) mmdbtype.Map {
	return mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String(name), "de": mmdbtype.String("anders")}}
}

// city is a record as city databases have it.
func city(code, country, town string, states ...string) mmdbtype.Map {
	land := named(country)
	land["iso_code"] = mmdbtype.String(code)
	record := mmdbtype.Map{"country": land, "location": mmdbtype.Map{"latitude": mmdbtype.Float64(1)}}
	if town != "" {
		record["city"] = named(town)
	}
	var list mmdbtype.Slice
	for _, s := range states {
		list = append(list, named(s))
	}
	if list != nil {
		record["subdivisions"] = list
	}
	return record
}

// database is the content of a file that knows these networks.
func database(t testing.TB, networks map[string]mmdbtype.Map) []byte {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "GeoIP2-City", RecordSize: 24, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for network, record := range networks {
		_, prefix, err := net.ParseCIDR(network)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Insert(prefix, record); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := tree.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func small(t testing.TB) []byte {
	return database(t, map[string]mmdbtype.Map{
		"192.0.2.0/24":    city("GB", "United Kingdom", "Boxford", "England", "West Berkshire"),
		"198.51.100.0/24": city("SE", "Sweden", ""),
		"2001:db8::/32":   city("JP", "Japan", "Tokyo", "Tokyo"),
		"203.0.113.0/24":  {"country": mmdbtype.String("not a map")},
	})
}

func TestLookupKnowsPlaces(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "city.mmdb")
	write(t, path, small(t))
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	britain := event.Geo{CountryCode: "GB", City: "Boxford", Subdivision: "England", Region: "United Kingdom"}
	for addr, want := range map[string]event.Geo{
		"192.0.2.7": britain, "::ffff:192.0.2.7": britain, "198.51.100.1": {CountryCode: "SE", Region: "Sweden"},
		"2001:db8::1": {CountryCode: "JP", City: "Tokyo", Subdivision: "Tokyo", Region: "Japan"}, "2001:db8::1%eth0": {CountryCode: "JP", City: "Tokyo", Subdivision: "Tokyo", Region: "Japan"},
		"10.0.0.1": {}, "203.0.113.1": {}, "::1": {},
	} {
		if got := d.Lookup(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: want %+v, got %+v", addr, want, got)
		}
	}
	if got := d.Lookup(netip.Addr{}); got != (event.Geo{}) {
		t.Errorf("no address: got %+v", got)
	}
}

func TestLookupFollowsTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "city.mmdb")
	addr := netip.MustParseAddr("192.0.2.7")
	first, second := small(t), database(t, map[string]mmdbtype.Map{"192.0.2.0/24": city("FR", "France", "Lyon")})
	synctest.Test(t, func(t *testing.T) {
		write(t, path, first)
		d, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		expect := func(when, code string) {
			t.Helper()
			if got := d.Lookup(addr); got.CountryCode != code {
				t.Errorf("%s: want %s, got %+v", when, code, got)
			}
		}
		write(t, path, second)
		expect("right after the change", "GB")
		time.Sleep(checkEvery)
		expect("a minute later", "FR")
		write(t, path, first[:len(first)/2])
		time.Sleep(checkEvery)
		expect("half a file", "FR")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(checkEvery)
		expect("no file", "FR")
		write(t, path, first)
		time.Sleep(checkEvery)
		expect("a good file again", "GB")
		time.Sleep(checkEvery)
		expect("the same file", "GB")
	})
}

func TestOpenRefusesWhatIsNoDatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "city.mmdb")
	if _, err := Open(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
	write(t, path, []byte("nope"))
	if _, err := Open(path); fault.KindOf(err) != fault.Invalid {
		t.Errorf("text: got %v", err)
	}
}

// TestEventsGetThePlaceOfTheirUser is the database and the event together.
func TestEventsGetThePlaceOfTheirUser(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "city.mmdb")
	write(t, path, small(t))
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	e, err := event.Decode([]byte(`{"user":{"ip_address":"{{auto}}"}}`))
	if err != nil {
		t.Fatal(err)
	}
	e.Normalize(event.Delivery{ClientIP: netip.MustParseAddr("192.0.2.7"), Geo: d.Lookup})
	want := `"geo":{"country_code":"GB","city":"Boxford","subdivision":"England","region":"United Kingdom"}`
	if got := e.AppendJSON(nil); !bytes.Contains(got, []byte(want)) {
		t.Errorf("want %s in %s", want, got)
	}
}

// FuzzLookup: a damaged file gives no place or a wrong one, and never breaks the process.
func FuzzLookup(f *testing.F) {
	f.Add(small(f))
	addrs := []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::1")}
	f.Fuzz(func(t *testing.T, content []byte) {
		e, err := parse(content)
		if err != nil {
			return
		}
		d := new(Database)
		d.current.Store(&edition{reader: e})
		d.checked.Store(time.Now().UnixNano())
		for _, addr := range addrs {
			if g := d.Lookup(addr); len(g.City) > len(content) {
				t.Errorf("a name of %d bytes from a file of %d", len(g.City), len(content))
			}
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	path := filepath.Join(b.TempDir(), "city.mmdb")
	write(b, path, small(b))
	d, err := Open(path)
	if err != nil {
		b.Fatal(err)
	}
	addr := netip.MustParseAddr("192.0.2.7")
	b.ReportAllocs()
	for b.Loop() {
		if d.Lookup(addr).CountryCode != "GB" {
			b.Fatal("no place")
		}
	}
}

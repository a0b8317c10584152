package seal_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/seal"
)

func newKey(t testing.TB, fill byte) *seal.Key {
	t.Helper()
	k, err := seal.New(bytes.Repeat([]byte{fill}, seal.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestOpenReadsOnlyWhatThisKeySealedForThisUse(t *testing.T) {
	t.Parallel()
	k, other := newKey(t, 1), newKey(t, 2)
	sealed := k.Seal([]byte("hunter2"), "project 1")
	if got, err := k.Open(sealed, "project 1"); err != nil || string(got) != "hunter2" {
		t.Fatalf("want hunter2, got %q, %v", got, err)
	}
	if again := k.Seal([]byte("hunter2"), "project 1"); again == sealed {
		t.Error("want a fresh nonce each time, got the same text twice")
	}
	if strings.Contains(sealed, base64.RawURLEncoding.EncodeToString([]byte("hunter2"))) {
		t.Error("the secret shows in the sealed text")
	}
	for name, open := range map[string]func() ([]byte, error){
		"another key":     func() ([]byte, error) { return other.Open(sealed, "project 1") },
		"another use":     func() ([]byte, error) { return k.Open(sealed, "project 2") },
		"altered":         func() ([]byte, error) { return k.Open(sealed[:len(sealed)-2]+"AA", "project 1") },
		"cut":             func() ([]byte, error) { return k.Open(sealed[:5], "project 1") },
		"plain":           func() ([]byte, error) { return k.Open("hunter2", "project 1") },
		"not base64":      func() ([]byte, error) { return k.Open("v1.!!", "project 1") },
		"empty":           func() ([]byte, error) { return k.Open("", "project 1") },
		"unknown version": func() ([]byte, error) { return k.Open("v2"+sealed[2:], "project 1") },
	} {
		if _, err := open(); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: want fault.Invalid, got %v", name, err)
		}
	}
}

func TestLoadMakesOneKeyForAll(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret.key")
	keys := make([]*seal.Key, 16)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			k, err := seal.Load(path)
			if err != nil {
				t.Error(err)
			}
			keys[i] = k
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	sealed := keys[0].Seal([]byte("x"), "")
	for i, k := range keys {
		if _, err := k.Open(sealed, ""); err != nil {
			t.Errorf("key %d: %v", i, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("want mode 0600, got %v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".secret-*")); len(left) != 0 {
		t.Errorf("temporary files remain: %v", left)
	}
}

func TestChoosePrefersTheGivenKey(t *testing.T) {
	t.Parallel()
	raw := bytes.Repeat([]byte{0xfb}, seal.KeyBytes) // base64 of this needs the letters that differ
	want := newKey(t, 0xfb).Seal([]byte("x"), "")
	for _, text := range []string{
		base64.StdEncoding.EncodeToString(raw), base64.URLEncoding.EncodeToString(raw),
		base64.RawURLEncoding.EncodeToString(raw), " " + base64.RawStdEncoding.EncodeToString(raw) + "\n",
	} {
		k, err := seal.Choose(text, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Open(want, ""); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	_, err := seal.Choose("c2hvcnQ=", t.TempDir())
	if fault.KindOf(err) != fault.Invalid || strings.Contains(err.Error(), "c2hv") {
		t.Errorf("want fault.Invalid without the text, got %v", err)
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	const canary = "canary-7f3a"
	v := struct {
		Secret seal.Secret
		Key    *seal.Key
	}{canary, newKey(t, 'k')}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		fmt.Fprintf(&out, verb+"\n", v)
		fmt.Fprintf(&out, verb+"\n", v.Secret)
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v, "s", v.Secret)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v, "s", v.Secret)
	_ = json.NewEncoder(&out).Encode(v)
	if text := out.String(); strings.Contains(text, canary) || strings.Contains(text, "kkkk") || !strings.Contains(text, "[redacted]") {
		t.Errorf("a secret shows, or nothing is redacted:\n%s", text)
	}
	if v.Secret.Reveal() != canary {
		t.Errorf("want %q revealed, got %q", canary, v.Secret.Reveal())
	}
}

// FuzzOpen: nothing that was not sealed opens, and nothing panics.
func FuzzOpen(f *testing.F) {
	k := newKey(f, 3)
	f.Add("v1.", "")
	f.Add(k.Seal([]byte("x"), "y"), "z")
	f.Add("v1.AAAA", "y")
	f.Fuzz(func(t *testing.T, sealed, context string) {
		if plain, err := k.Open(sealed, context); err == nil {
			t.Errorf("opened %q as %q", sealed, plain)
		}
	})
}

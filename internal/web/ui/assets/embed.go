// Package assets holds the files that pages load, bundled from src into dist by
// internal/tools/assets. Each is served under an address with its hash and may be cached for ever.
package assets

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strings"
)

//go:embed dist
var dist embed.FS

// Prefix is where the files are served.
const Prefix = "/_static/"

// File is one file to serve.
type File struct {
	Name   string // in dist
	Path   string // address, which carries the hash
	Type   string
	Plain  []byte
	Packed []byte // gzip
}

var (
	files  = load()
	byPath = index(files)
)

var types = map[string]string{
	".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
}

func load() map[string]*File {
	entries, err := dist.ReadDir("dist")
	if err != nil {
		panic(err) // the embedded folder is part of this program
	}
	all := make(map[string]*File)
	for _, e := range entries {
		plain, err := dist.ReadFile("dist/" + e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(plain)
		ext := path.Ext(e.Name())
		name := strings.TrimSuffix(e.Name(), ext) + "." + hex.EncodeToString(sum[:6]) + ext
		all[e.Name()] = &File{Name: e.Name(), Path: Prefix + name, Type: types[ext], Plain: plain, Packed: pack(plain)}
	}
	return all
}

func index(all map[string]*File) map[string]*File {
	m := make(map[string]*File, len(all))
	for _, f := range all {
		m[f.Path] = f
	}
	return m
}

func pack(plain []byte) []byte {
	var buf bytes.Buffer
	w, _ := gzip.NewWriterLevel(&buf, gzip.BestCompression) // the level is valid
	_, _ = w.Write(plain)                                   // a buffer takes everything
	_ = w.Close()
	return buf.Bytes()
}

// Path is the address of a file of dist. It panics when there is none: names are constants.
func Path(name string) string {
	f, ok := files[name]
	if !ok {
		panic(fmt.Sprintf("assets: no file %q", name))
	}
	return f.Path
}

// All lists the files.
func All() []*File {
	list := make([]*File, 0, len(files))
	for _, f := range files {
		list = append(list, f)
	}
	return list
}

// Serve answers requests below Prefix.
func Serve(w http.ResponseWriter, r *http.Request) {
	f, ok := byPath[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.Type)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	body := f.Plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = f.Packed
	}
	h.Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client may have gone
	}
}

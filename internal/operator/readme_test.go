package operator

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

var update = flag.Bool("update", false, "rewrite the generated parts of the README")

// TestREADMEIsTrue holds the generated parts of the README to what the program says today.
func TestREADMEIsTrue(t *testing.T) {
	const name = "../../README.md"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	want = replacePart(t, want, "tocsin bindings graph", "```mermaid\n"+strings.TrimSpace(output(t, "bindings", "graph"))+"\n```")
	want = replacePart(t, want, "configuration", configuration(t))
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(text) {
		t.Error("README.md is stale; run: make generate")
	}
}

func output(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if err := Run(t.Context(), args, &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func replacePart(t *testing.T, text, part, with string) string {
	t.Helper()
	begin, end := "<!-- begin: "+part+" -->\n", "<!-- end -->"
	head, rest, ok := strings.Cut(text, begin)
	_, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("the README has no part %q", part)
	}
	return head + begin + with + "\n" + end + tail
}

// configuration is the table of flags of tocsin up, from the code that reads them.
func configuration(t *testing.T) string {
	t.Helper()
	var cli CLI
	parser, err := kong.New(&cli, kong.Name("tocsin"), kong.Vars{"listen": "127.0.0.1:9000"},
		kong.BindTo(t.Context(), (*context.Context)(nil)), kong.BindTo(io.Discard, (*io.Writer)(nil)))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("| flag | environment | default | what it does |\n|---|---|---|---|\n")
	for _, cmd := range parser.Model.Children {
		if cmd.Name != "up" {
			continue
		}
		for _, f := range cmd.Flags {
			if f.Hidden {
				continue
			}
			if len(f.Envs) == 0 {
				t.Errorf("--%s has no environment variable", f.Name)
			}
			fmt.Fprintf(&b, "| `--%s` | `%s` | %s | %s |\n", f.Name, strings.Join(f.Envs, "` `"), code(f.Default), f.Help)
		}
	}
	return strings.TrimSpace(b.String())
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

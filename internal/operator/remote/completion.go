package remote

import (
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// CompletionCmd prints a script that teaches a shell to complete the command line.
type CompletionCmd struct {
	Shell string `arg:"" help:"bash, zsh or fish." enum:"bash,zsh,fish"`
}

// Run implements the command.
func (c *CompletionCmd) Run(k *kong.Kong, out io.Writer) error {
	var words map[string][]string = map[string][]string{}
	collect(k.Model.Node, "", words)
	paths := make([]string, 0, len(words))
	for p := range words {
		paths = append(paths, p)
	}
	sort.Strings(paths)
	var b strings.Builder
	switch c.Shell {
	case "bash", "zsh":
		shScript(&b, c.Shell, paths, words)
	case "fish":
		fishScript(&b, paths, words)
	default:
		return fault.New(fault.Invalid, "a shell is bash, zsh or fish")
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// collect lists, by the commands typed so far, the words that may follow: commands, then flags.
func collect(n *kong.Node, path string, words map[string][]string) {
	var list []string
	for _, child := range n.Children {
		if child.Type != kong.CommandNode || child.Hidden {
			continue
		}
		list = append(list, child.Name)
		collect(child, strings.TrimSpace(path+" "+child.Name), words)
	}
	for _, group := range n.AllFlags(true) {
		for _, f := range group {
			list = append(list, "--"+f.Name)
		}
	}
	words[path] = list
}

// shScript works in bash, and in zsh through its bash emulation: it follows the commands typed so
// far and offers what may come next.
func shScript(b *strings.Builder, shell string, paths []string, words map[string][]string) {
	if shell == "zsh" {
		b.WriteString("#compdef tocsin\nautoload -U +X bashcompinit && bashcompinit\n")
	}
	b.WriteString("_tocsin() {\n\tlocal cur=\"${COMP_WORDS[COMP_CWORD]}\" path=\"\" w\n\tfor w in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n\t\tcase \"$path $w\" in\n")
	for _, p := range paths {
		if p != "" {
			parent, name, _ := cutLast(p)
			fmt.Fprintf(b, "\t\t%q) path=%q ;;\n", parent+" "+name, p)
		}
	}
	b.WriteString("\t\tesac\n\tdone\n\tcase \"$path\" in\n")
	for _, p := range paths {
		fmt.Fprintf(b, "\t%q) COMPREPLY=($(compgen -W %q -- \"$cur\")) ;;\n", p, strings.Join(words[p], " "))
	}
	b.WriteString("\tesac\n}\ncomplete -o default -F _tocsin tocsin\n")
}

func cutLast(path string) (parent, name string, ok bool) {
	i := strings.LastIndexByte(path, ' ')
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}

func fishScript(b *strings.Builder, paths []string, words map[string][]string) {
	b.WriteString("complete -c tocsin -f\n")
	for _, p := range paths {
		cond := "__fish_use_subcommand"
		if p != "" {
			var seen []string
			for w := range strings.FieldsSeq(p) {
				seen = append(seen, "__fish_seen_subcommand_from "+w)
			}
			cond = strings.Join(seen, "; and ")
		}
		for _, w := range words[p] {
			if flag, ok := strings.CutPrefix(w, "--"); ok {
				fmt.Fprintf(b, "complete -c tocsin -n %q -l %s\n", cond, flag)
			} else {
				fmt.Fprintf(b, "complete -c tocsin -n %q -a %s\n", cond, w)
			}
		}
	}
}

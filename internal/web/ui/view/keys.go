package view

import (
	"strings"

	"github.com/a-h/templ"
)

// KeyScope says on which pages a command's keys work.
type KeyScope string

// The scopes. KeysEverywhere holds on every page, beside the one that Page.Keys names.
const (
	KeysEverywhere KeyScope = "everywhere"
	KeysList       KeyScope = "list"
	KeysDetail     KeyScope = "detail"
	KeysReleases   KeyScope = "releases"
	KeysRelease    KeyScope = "release"
	KeysDialog     KeyScope = "dialog"
)

var scopeTitles = map[KeyScope]string{
	KeysEverywhere: "Everywhere", KeysList: "Issue list", KeysDetail: "Issue", KeysReleases: "Releases", KeysRelease: "Release", KeysDialog: "Dialogs and menus",
}

// Command is something that keys do. What it does is in the page: a script that called on(ID), else
// the first element that Cmd marked with the ID, which is pressed, or focused when it is a field.
type Command struct {
	ID    string
	Scope KeyScope
	Keys  string // pressed one after the other, as KeyboardEvent.key names them; a capital is with Shift; 1-9 is any digit
	Words string // what happens, as a command
}

// Commands is every command of every page. The sheet, the palette, tooltips and tests read it.
var Commands = []Command{
	{"help", KeysEverywhere, "?", "Show the keys"},
	{"palette", KeysEverywhere, "Ctrl+k", "Open the command palette"},
	{"search", KeysEverywhere, "/", "Search"},
	{"go.issues", KeysEverywhere, "g i", "Go to issues"},
	{"go.projects", KeysEverywhere, "g p", "Go to projects"},
	{"go.releases", KeysEverywhere, "g r", "Go to releases"},
	{"go.alerts", KeysEverywhere, "g a", "Go to alerts"},
	{"go.crons", KeysEverywhere, "g c", "Go to crons"},
	{"go.stats", KeysEverywhere, "g s", "Go to stats"},
	{"rail", KeysEverywhere, "[", "Fold or unfold the navigation"},
	{"theme", KeysEverywhere, "t", "Switch between light and dark"},
	{"density", KeysEverywhere, "d", "Switch between compact and roomy"},
	{"live.apply", KeysEverywhere, ".", "Show what arrived since"},

	{"list.next", KeysList, "j", "Move to the next issue"},
	{"list.previous", KeysList, "k", "Move to the previous issue"},
	{"list.open", KeysList, "o", "Open the issue (Enter does too)"},
	{"list.peek", KeysList, "Space", "Peek at the issue"},
	{"list.select", KeysList, "x", "Select the issue"},
	{"list.extend", KeysList, "J", "Extend the selection down"},
	{"list.extend-up", KeysList, "K", "Extend the selection up"},
	{"list.all", KeysList, "* a", "Select all on this page"},
	{"list.resolve", KeysList, "e", "Resolve"},
	{"list.archive", KeysList, "m", "Mute"},
	{"list.assign", KeysList, "a", "Assign"},
	{"list.priority", KeysList, "p", "Set the priority"},
	{"list.bookmark", KeysList, "b", "Bookmark"},
	{"list.delete", KeysList, "#", "Delete"},
	{"list.undo", KeysList, "z", "Undo"},
	{"list.refresh", KeysList, "r", "Refresh"},
	{"list.older", KeysList, "n", "Next page"},
	{"list.newer", KeysList, "N", "Previous page"},

	{"event.older", KeysDetail, "j", "Next event"},
	{"event.newer", KeysDetail, "k", "Previous event"},
	{"issue.next", KeysDetail, "n", "Next issue of the list"},
	{"issue.previous", KeysDetail, "p", "Previous issue of the list"},
	{"issue.section", KeysDetail, "1-9", "Go to a section"},
	{"frames.in-app", KeysDetail, "f", "Switch between in-app and all frames"},
	{"frames.original", KeysDetail, "s", "Switch between original and minified"},
	{"frames.unfold", KeysDetail, "X", "Unfold every frame"},
	{"issue.comment", KeysDetail, "c", "Comment"},
	{"copy.link", KeysDetail, "y", "Copy the link"},
	{"copy.markdown", KeysDetail, "Y", "Copy as Markdown"},
	{"copy.curl", KeysDetail, "C", "Copy the request as curl"},
	{"issue.resolve", KeysDetail, "e", "Resolve or reopen"},
	{"issue.archive", KeysDetail, "m", "Mute"},
	{"issue.assign", KeysDetail, "a", "Assign"},
	{"issue.priority", KeysDetail, "P", "Set the priority"},
	{"issue.bookmark", KeysDetail, "b", "Bookmark"},
	{"issue.delete", KeysDetail, "#", "Delete"},
	{"issue.undo", KeysDetail, "z", "Undo"},

	{"releases.older", KeysReleases, "n", "Next page"},
	{"releases.newer", KeysReleases, "N", "Previous page"},

	{"release.older", KeysRelease, "j", "Older release"},
	{"release.newer", KeysRelease, "k", "Newer release"},
	{"release.finalize", KeysRelease, "e", "Finalize"},
	{"release.compare", KeysRelease, "c", "Compare with another release"},
	{"release.check", KeysRelease, "m", "Check why a source map failed"},

	{"close", KeysDialog, "Escape", "Close; focus goes back to where it was"},
}

func commandOf(id string) Command {
	for _, c := range Commands {
		if c.ID == id {
			return c
		}
	}
	panic("view: no command " + id) // names are constants
}

// caps are the keys to press, as they are printed on keyboards.
func (c Command) caps() []string {
	keys := strings.Fields(c.Keys)
	for i, k := range keys {
		switch {
		case k == "1-9":
			keys[i] = "1 … 9"
		case k == "Ctrl+k":
			keys[i] = "Ctrl K"
		case k == "Escape":
			keys[i] = "Esc"
		case len(k) == 1 && k >= "A" && k <= "Z":
			keys[i] = "Shift " + k
		}
	}
	return keys
}

// Cmd marks the element that a command's keys press or focus, and tells the keys in its tooltip.
// It panics when there is no such command.
func Cmd(id string) templ.Attributes {
	c := commandOf(id)
	return templ.Attributes{"data-cmd": id, "title": c.Words + " (" + strings.Join(c.caps(), " ") + ")"}
}

// keyGroup is one scope's part of the sheet.
type keyGroup struct {
	Scope    KeyScope
	Title    string
	Commands []Command
}

// keyGroups are the scopes that hold on a page, in the order of the sheet.
func (p Page) keyGroups() []keyGroup {
	var groups []keyGroup
	for _, s := range []KeyScope{p.Keys, KeysEverywhere, KeysDialog} {
		g := keyGroup{Scope: s, Title: scopeTitles[s]}
		for _, c := range Commands {
			if c.Scope == s {
				g.Commands = append(g.Commands, c)
			}
		}
		if len(g.Commands) > 0 {
			groups = append(groups, g)
		}
	}
	return groups
}

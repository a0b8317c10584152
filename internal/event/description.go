package event

import (
	"bytes"
	"regexp"
	"strconv"
)

// descriptions are the shapes in which platforms describe their operating system; the first that
// matches counts. Groups are members of the context; the name is given where the text has none.
// Rule: getsentry/relay relay-event-normalization/src/normalize/contexts.rs
var descriptions = []struct {
	name  string
	shape *regexp.Regexp
}{
	{"Windows", regexp.MustCompile(`^(?:Microsoft\s+)?Windows\s+(?:NT\s+)?(?P<version>\d+\.\d+\.(?P<build>\d+))`)},
	{"Windows", regexp.MustCompile(`^Windows\s+\d+\s+\((?P<version>\d+\.\d+\.(?P<build>\d+))`)},
	{"macOS", regexp.MustCompile(`^Mac OS X (?P<version>\d+\.\d+\.\d+)(?: \((?P<build>[[:xdigit:]]+)\))?$`)},
	{"", regexp.MustCompile(`^(?P<name>iOS|iPadOS) (?P<version>\d+\.\d+(?:\.\d+)?)`)},
	{"", regexp.MustCompile(`^Linux (?P<kernel_version>` + kernel + `) (?P<name>[A-Za-z]+) (?P<version>\d+(?:\.\d+){0,2})`)},
	{"", regexp.MustCompile(`^(?P<name>macOS) (?P<version>\d+(?:\.\d+){0,2})(?: (?P<build>[[:xdigit:]]+))?$`)},
	{"", regexp.MustCompile(`^(?P<name>[A-Za-z]+) (?P<kernel_version>` + kernel + `)`)},
	{"Android", regexp.MustCompile(`^Android (?:OS )?(?P<version>\d+(?:\.\d+){0,2}) / API-\d+`)},
	{"Nintendo OS", regexp.MustCompile(`^Nintendo Switch$`)},
	{"", regexp.MustCompile(`^(?P<name>[A-Za-z]+) (?P<version>[0-9.-]+)$`)},
}

// kernel is the version of a Unix kernel without what distributions append.
const kernel = `\d+\.\d+(?:\.\d+(?:\.[1-9]\d*)?)?`

// runtimeShape is "name version", such as ".NET Core 2.0" or "Mono 5.4 (tarball)".
var runtimeShape = regexp.MustCompile(`^(?P<name>.*) (?P<version>\d+\.\d+(?:\.\d+){0,2})`)

// describedSystem fills an operating system from its raw_description, unless it is named already.
func (o Object) describedSystem() Object {
	text, ok := o.description()
	if !ok {
		return o
	}
	for _, d := range descriptions {
		found := d.shape.FindStringSubmatch(text)
		if found == nil {
			continue
		}
		if d.name != "" {
			o = o.withText("name", d.name)
		}
		for i, member := range d.shape.SubexpNames() {
			switch {
			case found[i] == "" || member == "" || member == "build" && o.text("build") != "":
			case member == "version" && d.name == "Windows":
				o = o.withText(member, windowsVersion(found[i], found[d.shape.SubexpIndex("build")]))
			default:
				o = o.withText(member, found[i])
			}
		}
		return o
	}
	return o
}

// description is the text to read name and version from; false when they are known or it is absent.
func (o Object) description() (string, bool) {
	text := o.text("raw_description")
	return text, text != "" && len(text) <= valueLength && o.text("name") == "" && o.text("version") == ""
}

// windowsVersion is the name under which a build of Windows is sold; the full version for others.
// Servers share builds with desktops, whose names are given.
// Rule: https://en.wikipedia.org/wiki/List_of_Microsoft_Windows_versions
func windowsVersion(full, build string) string {
	n, err := strconv.Atoi(build)
	switch {
	case err != nil:
	case n >= 2600 && n <= 3790:
		return "XP"
	case n == 6002:
		return "Vista"
	case n == 7601:
		return "7"
	case n == 9200:
		return "8"
	case n == 9600:
		return "8.1"
	case n >= 10240 && n <= 19045:
		return "10"
	case n >= 22000 && n <= 22999, n >= 26100 && n <= 26999:
		return "11"
	}
	return full
}

// describedRuntime fills a runtime from its raw_description, unless it is named already, and
// replaces the file version that .NET Framework gives by the one it is known under.
func (o Object) describedRuntime() Object {
	if text, ok := o.description(); ok {
		if found := runtimeShape.FindStringSubmatch(text); found != nil {
			o = o.withText("name", found[1]).withText("version", found[2])
		}
	}
	if bytes.HasPrefix(o.Get("name"), []byte(`".NET Framework`)) {
		if version := frameworkVersion(o.lenientText("build")); version != "" {
			o = o.withText("version", version)
		}
	}
	return o
}

// lenientText is a member that is a string or number, as text; empty when it is neither.
func (o Object) lenientText(name string) string {
	v := o.Get(name)
	if len(v) > 0 && (v[0] == '-' || v[0] >= '0' && v[0] <= '9') {
		return string(v)
	}
	return o.text(name)
}

// frameworkVersion is the .NET Framework release of a registry release key, empty for others.
// Rule: https://learn.microsoft.com/en-us/dotnet/framework/install/how-to-determine-which-versions-are-installed
func frameworkVersion(key string) string {
	switch key {
	case "378389":
		return "4.5"
	case "378675", "378758":
		return "4.5.1"
	case "379893":
		return "4.5.2"
	case "393295", "393297":
		return "4.6"
	case "394254", "394271":
		return "4.6.1"
	case "394802", "394806":
		return "4.6.2"
	case "460798", "460805":
		return "4.7"
	case "461308", "461310":
		return "4.7.1"
	case "461808", "461814":
		return "4.7.2"
	case "528040", "528049", "528209", "528372", "528449":
		return "4.8"
	case "533320", "533325":
		return "4.8.1"
	}
	return ""
}

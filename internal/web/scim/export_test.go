package scim

import (
	"maps"
	"slices"
)

// ParseFilter is parseFilter.
var ParseFilter = parseFilter

// Patterns are the routes as "METHOD path".
func Patterns() []string { return slices.Sorted(maps.Keys(routes())) }

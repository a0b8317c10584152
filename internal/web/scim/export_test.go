package scim

// ParseFilter is parseFilter.
var ParseFilter = parseFilter

// Package deploy carries what describes a deployment: which service may call which, and with what
// policies.
package deploy

import _ "embed"

// Bindings is the text of bindings.yaml.
//
//go:embed bindings.yaml
var Bindings []byte

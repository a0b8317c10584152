// Package migrations holds the schema's changes, one file each, forward only.
package migrations

import "embed"

// FS is the migration files, named NNNNN_verb_noun.sql.
//
//go:embed *.sql
var FS embed.FS

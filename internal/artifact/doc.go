// Package artifact owns what is uploaded to make stacks readable: the bundles that hold scripts and
// source maps, which of them belongs to a frame, what the frame becomes, and why one is left as it
// came.
//
//	bundle ── ReadBundle ──▶ Files        which are stored with where they lie
//	event  ── Wants ──▶ debug ids, release, dist, URLs ── Choose ──▶ script and map per address
//	frames ── Rewrite ──▶ original file, line, column, function, lines around
//	frames ── Diagnose ──▶ the one reason why not, and the command that mends it
//
// Rule: https://docs.sentry.io/platforms/javascript/sourcemaps/troubleshooting_js/
package artifact

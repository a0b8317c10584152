// Package symbol makes stacks readable: it finds what was uploaded for the frames of an event,
// reads it, and rewrites them. The processor does so before an event is grouped; the web service
// does it again for what was uploaded since, and says why a frame is as it came.
//
//	event ── wants ──▶ finder (Postgres, remembered) ──▶ loader (files, bounded memory) ──▶ frames
//
// No failure of a file, however it is made, is a failure of the event: it becomes one of the
// event's processing errors.
package symbol

// Package spool is a bounded queue on the local disk. Ingest appends what it accepted while the
// bus is away, and drains it, oldest first, when the bus is back.
//
//	Append ─┐                       ┌─▶ 0000…07.spool  (being written)
//	Append ─┼─▶ group ─▶ one sync ──┤
//	Append ─┘                       └─▶ 0000…08.spool  (next, when 07 is full)
//	                    Drain ◀── 0000…05.spool, 06 … removed once handed on
//
// A segment is an 8-byte magic and records: length, CRC-32C, bytes. What a crash tore off is cut
// at the next start; a record whose Append returned nil is never in that part.
package spool

// Package delivery holds what the channels share: the settings of a destination and how they are
// sealed, the words of a message, and one careful way to post it.
//
//	alert.Notice ──Compose──▶ Message ──channel──▶ bytes ──Poster──▶ destination
//
// Each package below is one channel: its settings, how a Message looks there, and how it is sent.
// Package channels lists them all.
package delivery

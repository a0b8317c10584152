// Package view draws the pages. It turns plain values into HTML and knows neither the database nor
// HTTP: each page is a component over its own struct, and Render writes it.
//
//	postgres rows, event.Event ──package ui──▶ ListPage, IssuePage, … ──templ──▶ Render ──▶ bytes
//
// Three rules keep what events bring harmless. Components escape by construction, and nothing here
// writes raw HTML. Render replaces characters that change how text reads, such as direction marks,
// by visible escapes, in the whole page. There are no inline scripts and styles, so that the
// policy header can forbid them.
package view

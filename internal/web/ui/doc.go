// Package ui answers browsers: it reads what a page shows from the store, as the API does, and
// hands it to package view. The address of a page holds its whole state; forms are plain POSTs that
// end in a redirect; scripts only add comfort.
//
//	request ─▶ headers ─▶ same origin? ─▶ login ─▶ page handler ─▶ store ─▶ view ─▶ HTML
//	                                        │             └ fault ─▶ problem page
//	                                        └ nobody ─▶ /login?next=…
package ui

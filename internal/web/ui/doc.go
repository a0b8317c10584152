// Package ui answers browsers: it reads what a page shows from the store, as the API does, and
// hands it to package view. The address of a page holds its whole state; forms are plain POSTs that
// end in a redirect; scripts only add comfort.
//
//	request ─▶ headers ─▶ same origin? ─▶ login ─▶ page handler ─▶ store ─▶ view ─▶ HTML
//	                                        │             └ fault ─▶ problem page
//	                                        └ nobody ─▶ /login?next=…
//
// # A new page
//
// A handler is func(*visit) error; routes() names it:
//
//	r.Get("/releases", u.page(u.filtered(u.releases)))
//
// page asks for a login, and for membership when the path has an {org}. filtered adds the frame's
// filters: v.filters has IDs (of projects), Environments and Range, and links that should keep them
// end in v.keptFilters(). Leave it out on pages that are about neither projects nor time.
//
//	v.base.Section = view.SectionReleases                  // marks the entry of the rail
//	v.base.Keys = view.KeysDetail                          // keys beside those that work everywhere
//	v.base.Crumbs = []view.Link{{…}, {Label: "here"}}      // on pages below another
//	return v.render(http.StatusOK, "Releases", func(p view.Page) component { return view.Releases(p, page) })
//
// The rail shows a section as soon as its path is among the routes; see places. Return a fault for
// anything that went wrong: it becomes a page with the right status. After a POST, v.notify leaves
// a notice, which the next page shows as a toast, with a way back if there is one.
//
// # What the view offers
//
//	@Shell(p) { … }                  rail, top bar, toasts, key sheet, palette
//	@Tabs("Parts", links)            links between parts of one thing
//	@Empty("No releases", "…") { … } nothing here, and what to do about it
//	@Dialog("id", "Title") { … }     opened by <button data-dialog="id">
//	<button data-confirm="Delete?">  asks first; the server must not rely on it
//	<details class="menu"> <summary class="button"> <div class="menu-body">
//	<select data-submit>             sends its form when it changes
//	@When, @WhenExact, @Copy, @Icon, @Spark, @StateBadge, @LevelTag
//
// # Keys
//
// view.Commands is the one list of keys; the sheet, the palette, tooltips and tests read it. A
// command needs a row there and an element that it presses: <button { Cmd("issue.resolve")... }>. Only
// what no element does needs a script: on("frames.unfold", () => …) in assets/src.
package ui

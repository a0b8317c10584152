// Loading parts of pages. A document that a request answers with is parsed by the browser as a
// document without scripts; nothing here makes HTML from text, so Trusted Types can forbid that.

/** Asks for a page and gives its document. Rejects with the status when the answer is no page. */
export function load(address: string, part = false): Promise<Document> {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("GET", address);
    request.responseType = "document";
    if (part) request.setRequestHeader("X-Part", "1");
    request.onload = () => {
      const page = request.responseXML;
      if (request.status === 200 && page && new URL(request.responseURL).origin === location.origin) done(page);
      else failed(new Error(`status ${request.status}`));
    };
    request.onerror = () => failed(new Error("no answer"));
    request.send();
  });
}

/** Tells of what takes long: at once after a moment, and why after five seconds. Gives what ends it. */
export function whileWaiting(tell: (words: string) => void): () => void {
  const soon = window.setTimeout(() => tell("Loading…"), 200);
  const late = window.setTimeout(() => tell("The server takes long to answer. It is still being waited for."), 5000);
  return () => {
    clearTimeout(soon);
    clearTimeout(late);
  };
}

/** Replaces the section around a link by the same section of the page that the link leads to. */
async function swap(from: Element, address: string): Promise<void> {
  const old = from.closest<HTMLElement>("section[id]");
  if (!old) return location.assign(address);
  const at = from instanceof HTMLAnchorElement ? from.textContent : null;
  old.setAttribute("aria-busy", "true");
  try {
    const page = await load(address);
    const fresh = page.getElementById(old.id);
    if (!fresh) throw new Error("the part is not there");
    old.replaceWith(document.adoptNode(fresh));
    history.replaceState(history.state, "", address);
    document.dispatchEvent(new CustomEvent("part", { detail: fresh }));
    // The reader's place stays with the choice that was made.
    if (at) [...fresh.querySelectorAll<HTMLAnchorElement>("a[data-swap]")].find((a) => a.textContent === at)?.focus({ preventScroll: true });
  } catch {
    location.assign(address);
  }
}

document.addEventListener("click", (e) => {
  if (e.defaultPrevented || e.button || e.ctrlKey || e.metaKey || e.shiftKey || e.altKey || !(e.target instanceof Element)) return;
  const link = e.target.closest<HTMLAnchorElement>("a[data-swap]");
  if (!link) return;
  e.preventDefault();
  void swap(link, link.href);
});

document.addEventListener("submit", (e) => {
  const form = e.target;
  if (!(form instanceof HTMLFormElement) || !form.hasAttribute("data-swap")) return;
  e.preventDefault();
  const address = new URL(location.href);
  for (const [name, value] of new FormData(form)) if (typeof value === "string") address.searchParams.set(name, value);
  void swap(form, address.href);
});

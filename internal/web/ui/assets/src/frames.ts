// Frames load their source and variables when they are unfolded.
import { load, whileWaiting } from "./part";

async function fill(frame: HTMLDetailsElement): Promise<void> {
  const address = frame.dataset.body;
  const old = frame.querySelector(".frame-body");
  if (!address || !old) return;
  delete frame.dataset.body;
  const link = old.querySelector("a");
  const arrived = whileWaiting((words) => link && (link.textContent = words));
  try {
    const page = await load(address, true);
    const body = page.querySelector(".frame-body");
    if (!body) throw new Error("no source");
    old.replaceWith(document.adoptNode(body));
  } catch {
    frame.dataset.body = address;
    if (link) link.textContent = "The source could not be loaded. Try again";
  } finally {
    arrived();
  }
}

document.addEventListener("toggle", (e) => {
  const frame = e.target;
  if (frame instanceof HTMLDetailsElement && frame.open && frame.dataset.body) void fill(frame);
}, true);

// A second press on the link that stands for the source tries once more.
document.addEventListener("click", (e) => {
  const link = e.target instanceof Element ? e.target.closest(".frame-body > a") : null;
  const frame = link?.closest<HTMLDetailsElement>("details[data-body]");
  if (!frame) return;
  e.preventDefault();
  void fill(frame);
});

/** Unfolds everything around an element that the address names. */
function reveal(): void {
  const id = decodeURIComponent(location.hash.slice(1));
  const target = id ? document.getElementById(id) : null;
  if (!target) return;
  for (let d = target.closest("details"); d; d = d.parentElement?.closest("details") ?? null) d.open = true;
  const own = target.querySelector<HTMLDetailsElement>(":scope > details");
  if (own && target.classList.contains("frame")) own.open = true;
  target.scrollIntoView({ block: "start" });
}

window.addEventListener("hashchange", reveal);
if (location.hash) reveal();

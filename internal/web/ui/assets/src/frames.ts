// Frames load their source and variables when they are unfolded, or as soon as that is likely, so that
// they are there when the reader is. What is wished for in the same turn is asked for together.
import { load, whileWaiting } from "./part";

interface Wish {
  readonly address: string;
  readonly done: (body: Element) => void;
  readonly failed: (why: unknown) => void;
}

const most = 50; // frames that one request asks for
const likely = 80; // ms that a reader stays at a frame

const wishes: Wish[] = [];
const asked = new Map<string, Promise<Element>>(); // by address

function bodyOf(address: string): Promise<Element> {
  const before = asked.get(address);
  if (before) return before;
  if (!wishes.length) window.setTimeout(askAll);
  const body = new Promise<Element>((done, failed) => wishes.push({ address, done, failed }));
  asked.set(address, body);
  body.catch(() => asked.delete(address));
  return body;
}

function askAll(): void {
  const groups = new Map<string, Wish[]>(); // by event
  for (const wish of wishes.splice(0)) {
    const of = wish.address.slice(0, wish.address.lastIndexOf("/") + 1);
    groups.set(of, [...groups.get(of) ?? [], wish]);
  }
  for (const [of, group] of groups) {
    for (let i = 0; i < group.length; i += most) void ask(of, group.slice(i, i + most));
  }
}

async function ask(of: string, group: Wish[]): Promise<void> {
  try {
    const page = await load(of + group.map((w) => w.address.slice(of.length)).join(","), true);
    const bodies = [...page.querySelectorAll(".frame-body")];
    group.forEach((w, i) => {
      const body = bodies[i];
      if (body) w.done(body);
      else w.failed(new Error("no source"));
    });
  } catch (why) {
    for (const w of group) w.failed(why);
  }
}

async function fill(frame: HTMLDetailsElement): Promise<void> {
  const address = frame.dataset.body;
  const old = frame.querySelector(".frame-body");
  if (!address || !old) return;
  delete frame.dataset.body;
  const link = old.querySelector("a");
  const arrived = whileWaiting((words) => {
    old.classList.add("waits");
    if (link) link.textContent = words;
  });
  try {
    old.replaceWith(document.adoptNode(await bodyOf(address)));
  } catch {
    frame.dataset.body = address;
    old.classList.remove("waits");
    if (link) link.textContent = "The source could not be loaded. Try again";
  } finally {
    arrived();
  }
}

document.addEventListener("toggle", (e) => {
  const frame = e.target;
  if (frame instanceof HTMLDetailsElement && frame.open && frame.dataset.body) void fill(frame);
}, true);

let stays = 0;
for (const kind of ["pointerover", "focusin"]) {
  document.addEventListener(kind, (e) => {
    clearTimeout(stays);
    const frame = e.target instanceof Element ? e.target.closest("summary")?.parentElement : null;
    const address = frame instanceof HTMLDetailsElement && !frame.open && frame.dataset.body;
    if (address) stays = window.setTimeout(() => void bodyOf(address).catch(() => undefined), likely); // tried again when it unfolds
  });
}

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

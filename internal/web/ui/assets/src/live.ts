import { on } from "./keys";

// One connection for all tabs of an organization: the tab that holds a lock has it and passes on what it
// hears. A tab that is hidden for long gives it to one that is looked at. Where there are no locks, as
// without TLS, each visible tab asks every 30 s.

interface Hint {
  id: string;
  project: string;
  events: number;
  users: number;
  seen: string;
  first: boolean;
}

const pollEvery = 30_000;
const quietAfter = 60_000;
const againAfter = 2_000;

/** What hints do: rows that are there change in place, others wait, and so do events of this issue. */
function apply(hints: Hint[]): void {
  const issue = document.querySelector("x-event[live]");
  const here = hints.find((h) => h.id === issue?.getAttribute("issue"));
  if (here) {
    more = Math.max(more, here.events - Number(issue?.getAttribute("events")));
    if (more > 0) pill(`${more} new ${more === 1 ? "event" : "events"} — press .`);
  }
  const list = document.querySelector("x-list[live]");
  if (!list) return;
  for (const h of hints) {
    const row = list.querySelector<HTMLElement>(`[data-row="${CSS.escape(h.id)}"]`);
    if (row) update(row, h);
    else if (h.first) waiting.add(h.id);
  }
  if (waiting.size) pill(`${waiting.size} new — press .`);
}

const waiting = new Set<string>();
let more = 0; // events of the issue at hand

function update(row: HTMLElement, h: Hint): void {
  const numbers = row.querySelectorAll<HTMLElement>(".c-num b");
  set(numbers[0], short(h.events));
  set(numbers[1], short(h.users));
  const seen = row.querySelector<HTMLTimeElement>(".c-when time");
  if (seen && seen.dateTime !== h.seen) {
    seen.dateTime = h.seen;
    seen.textContent = "now";
  }
}

function set(e: HTMLElement | undefined, text: string): void {
  if (!e || e.textContent === text) return;
  e.textContent = text;
  e.classList.remove("fresh");
  void e.offsetWidth;
  e.classList.add("fresh");
}

/** The same form as the server's: 1,204 is "1.2k". */
function short(n: number): string {
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]] as const) {
    if (n < size) continue;
    const tenths = Math.floor((n * 10) / size);
    return (tenths >= 1000 ? String(Math.floor(tenths / 10)) : (tenths / 10).toFixed(1)) + unit;
  }
  return String(n);
}

/** Says what waits, above what the reader reads, which stays where it is. */
function pill(words: string): void {
  let box = document.querySelector<HTMLButtonElement>("#live-pill");
  if (!box) {
    box = document.createElement("button");
    box.id = "live-pill";
    box.type = "button";
    box.className = "pill primary";
    box.dataset.cmd = "live.apply";
    box.addEventListener("click", () => location.reload());
    document.querySelector("main")?.prepend(box);
  }
  box.textContent = words;
}

let shown = "";

/** Shows how the connection is, and says so once. */
function state(words: string): void {
  if (words === shown) return;
  shown = words;
  const e = document.querySelector<HTMLElement>("#link-state");
  if (!e) return;
  e.hidden = !words;
  e.textContent = words;
}

/** A page that hears of changes: the list, or an issue. */
const page = document.querySelector<HTMLElement>("x-list[live], x-event[live]");
const told = new URL(page?.getAttribute("live") ?? "/", location.href);
const address = page ? told.pathname : "";
let last = told.searchParams.get("after") ?? "";
const channel = new BroadcastChannel(`tocsin-live ${address}`);

interface News {
  readonly kind: "state" | "issues";
  readonly data: string;
  readonly id?: string; // of the last that was told
}

function got(news: News): void {
  if (news.kind === "state") return state(news.data);
  last = news.id || last;
  try {
    apply(JSON.parse(news.data) as Hint[]);
  } catch {
    // A hint that cannot be read is none.
  }
}

function say(news: News): void {
  channel.postMessage(news);
  got(news);
}

channel.addEventListener("message", (e: MessageEvent<News>) => got(e.data));

/** The connection, while this tab has it. */
function hear(): EventSource {
  const source = new EventSource(`${address}?after=${encodeURIComponent(last)}`);
  source.addEventListener("open", () => say({ kind: "state", data: "" }));
  source.addEventListener("error", () => {
    say({ kind: "state", data: "Reconnecting…" });
    // A browser gives up after an answer that is no stream, as a proxy may give meanwhile.
    if (source.readyState === EventSource.CLOSED) window.setTimeout(() => turn?.abort("again"), againAfter);
  });
  source.addEventListener("issues", (e) => {
    const { data, lastEventId: id } = e as MessageEvent<string>;
    say({ kind: "issues", data, id });
  });
  return source;
}

let turn: AbortController | null = null;

/** Waits until no other tab has the connection, and has it then until this one is hidden for long. */
async function take(): Promise<void> {
  const mine = new AbortController();
  turn = mine;
  try {
    await navigator.locks.request(channel.name, { signal: mine.signal }, () => new Promise<void>((done) => {
      const source = hear();
      mine.signal.addEventListener("abort", () => {
        source.close();
        done();
      });
    }));
  } catch {
    // It was hidden before its turn came.
  }
  if (turn === mine) turn = null;
  if (mine.signal.reason === "again") void take();
}

function share(): void {
  let quiet = 0;
  const look = (): void => {
    clearTimeout(quiet);
    if (document.hidden) {
      quiet = window.setTimeout(() => {
        turn?.abort("hidden");
        state("Paused");
      }, quietAfter);
    } else if (!turn) {
      state("");
      void take();
    }
  };
  document.addEventListener("visibilitychange", look);
  look();
}

async function poll(): Promise<void> {
  if (document.hidden) return;
  try {
    const res = await fetch(`${address}?once=1&after=${encodeURIComponent(last)}`, { headers: { Accept: "application/json" } });
    if (!res.ok) throw new Error(String(res.status));
    state("");
    got({ kind: "issues", data: await res.text(), id: res.headers.get("X-Last-Event-ID") ?? "" });
  } catch {
    state("No connection");
  }
}

if (address && "locks" in navigator && "EventSource" in window) share();
else if (address) window.setInterval(() => void poll(), pollEvery);

on("live.apply", () => {
  if (waiting.size || more) location.reload();
});

import { on } from "./keys";

// One connection for all tabs of a browser: the tab that holds a lock has it and passes on what it
// hears. Where there are no locks, as without TLS, each visible tab asks every 30 s.

interface Hint {
  id: string;
  project: string;
  events: number;
  users: number;
  seen: string;
  first: boolean;
}

const channel = new BroadcastChannel("tocsin-live");
const pollEvery = 30_000;
const quietAfter = 60_000;

/** What the list does with hints: rows that are there change in place, others wait. */
function apply(hints: Hint[]): void {
  const list = document.querySelector("x-list[live]");
  if (!list) return;
  for (const h of hints) {
    const row = list.querySelector<HTMLElement>(`[data-row="${CSS.escape(h.id)}"]`);
    if (row) update(row, h);
    else if (h.first) waiting.add(h.id);
  }
  pill();
}

const waiting = new Set<string>();

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
  if (n < 1000) return String(n);
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]] as const) {
    if (n >= size) {
      const v = n / size;
      return (v < 10 ? v.toFixed(1).replace(/\.0$/, "") : String(Math.floor(v))) + unit;
    }
  }
  return String(n);
}

function pill(): void {
  let box = document.querySelector<HTMLButtonElement>("#live-pill");
  if (!waiting.size) return box?.remove();
  if (!box) {
    box = document.createElement("button");
    box.id = "live-pill";
    box.type = "button";
    box.className = "pill primary";
    box.dataset.cmd = "live.apply";
    box.addEventListener("click", () => location.reload());
    document.querySelector("main")?.prepend(box);
  }
  box.textContent = `${waiting.size} new — press .`;
}

let told = "";

/** Shows how the connection is, and says so once. */
function state(words: string): void {
  if (words === told) return;
  told = words;
  const e = document.querySelector<HTMLElement>("#link-state");
  if (!e) return;
  e.hidden = !words;
  e.textContent = words;
}

let source: EventSource | null = null;
let last = "";

function hear(address: string): void {
  source?.close();
  source = new EventSource(last ? `${address}?after=${encodeURIComponent(last)}` : address);
  source.addEventListener("open", () => say("state", ""));
  source.addEventListener("error", () => say("state", "Reconnecting…"));
  source.addEventListener("issues", (e) => {
    last = (e as MessageEvent<string>).lastEventId || last;
    say("issues", (e as MessageEvent<string>).data);
  });
}

function say(kind: string, data: string): void {
  channel.postMessage({ kind, data });
  got(kind, data);
}

function got(kind: unknown, data: unknown): void {
  if (kind === "state" && typeof data === "string") state(data);
  if (kind !== "issues" || typeof data !== "string") return;
  try {
    apply(JSON.parse(data) as Hint[]);
  } catch {
    // A hint that cannot be read is none.
  }
}

channel.addEventListener("message", (e: MessageEvent<{ kind?: unknown; data?: unknown }>) => got(e.data.kind, e.data.data));

async function poll(address: string): Promise<void> {
  if (document.hidden) return;
  try {
    const res = await fetch(`${address}?once=1&after=${encodeURIComponent(last)}`, { headers: { Accept: "application/json" } });
    if (!res.ok) throw new Error(String(res.status));
    last = res.headers.get("X-Last-Event-ID") ?? last;
    state("");
    got("issues", await res.text());
  } catch {
    state("No connection");
  }
}

const address = document.querySelector("x-list[live]")?.getAttribute("live");
if (address) {
  if ("locks" in navigator && "EventSource" in window) {
    let quiet = 0;
    void navigator.locks.request("tocsin-live", async () => {
      hear(address);
      document.addEventListener("visibilitychange", () => {
        clearTimeout(quiet);
        if (document.hidden) quiet = window.setTimeout(() => {
          source?.close();
          source = null;
          state("Paused");
        }, quietAfter);
        else if (!source) hear(address);
      });
      await new Promise(() => undefined); // until the tab closes
    });
  } else {
    void poll(address);
    window.setInterval(() => void poll(address), pollEvery);
  }
}

on("live.apply", () => {
  if (waiting.size) location.reload();
});

import { commands, on, run } from "./keys";

interface Item {
  label: string;
  hint: string;
  href?: string;
  id?: string;
}

const kept = "tocsin-recent";
const most = 12;

/** Finds commands, pages and issues by name. */
export class Palette extends HTMLElement {
  private items: Item[] = [];
  private at = 0;
  private asked = 0;
  private remote: Item[] = [];

  connectedCallback(): void {
    const open = (): void => this.open();
    on("palette", open);
    for (const e of document.querySelectorAll("[data-palette]")) {
      e.addEventListener("click", (ev) => {
        ev.preventDefault();
        open();
      });
    }
    this.field().addEventListener("input", () => {
      this.at = 0;
      this.draw();
      void this.ask();
    });
    this.field().addEventListener("keydown", (e) => this.key(e));
  }

  private dialog(): HTMLDialogElement {
    return this.querySelector("dialog")!;
  }

  private field(): HTMLInputElement {
    return this.querySelector("input")!;
  }

  private list(): HTMLElement {
    return this.querySelector("ul")!;
  }

  private open(): void {
    if (this.dialog().open) return;
    this.field().value = "";
    this.remote = [];
    this.at = 0;
    this.draw();
    this.dialog().showModal();
    this.field().focus();
  }

  private key(e: KeyboardEvent): void {
    const step = e.key === "ArrowDown" ? 1 : e.key === "ArrowUp" ? -1 : 0;
    if (step && this.items.length) {
      e.preventDefault();
      this.at = (this.at + step + this.items.length) % this.items.length;
      this.mark();
    } else if (e.key === "Enter") {
      e.preventDefault();
      this.choose(this.items[this.at]);
    }
  }

  private async ask(): Promise<void> {
    const q = this.field().value.trim();
    const turn = ++this.asked;
    if (q.length < 2) {
      this.remote = [];
      return;
    }
    await new Promise((done) => setTimeout(done, 90));
    if (turn !== this.asked) return;
    try {
      const res = await fetch(`${this.getAttribute("source")}?q=${encodeURIComponent(q)}`, { headers: { Accept: "application/json" } });
      const list: unknown = res.ok ? await res.json() : [];
      if (turn !== this.asked || !Array.isArray(list)) return;
      this.remote = list.filter((i: Item) => typeof i.href === "string" && i.href.startsWith("/") && !i.href.startsWith("//"));
      this.draw();
    } catch {
      // The server is away: what the page itself knows is still found.
    }
  }

  private draw(): void {
    const q = this.field().value.trim();
    const local: Item[] = [
      ...recent(),
      ...[...document.querySelectorAll<HTMLAnchorElement>(".rail a.to, .tabs a")].map((a) => ({ label: a.textContent?.trim() ?? "", hint: "page", href: a.getAttribute("href") ?? "" })),
      ...commands().filter((c) => c.id !== "palette" && !c.id.startsWith("go.")).map((c) => ({ label: c.words, hint: c.keys, id: c.id })),
    ];
    const seen = new Set<string>();
    this.items = [...local.filter((i) => fuzzy(i.label, q)).sort((a, b) => fuzzy(b.label, q) - fuzzy(a.label, q)), ...this.remote]
      .filter((i) => !seen.has(i.href ?? i.id ?? "") && seen.add(i.href ?? i.id ?? ""))
      .slice(0, most + this.remote.length);
    this.list().replaceChildren(...this.items.map((i, n) => {
      const li = document.createElement("li");
      li.id = `found-${n}`;
      li.setAttribute("role", "option");
      const words = document.createElement("span");
      words.textContent = i.label;
      const hint = document.createElement("span");
      hint.className = "muted";
      hint.textContent = i.hint;
      li.append(words, hint);
      li.addEventListener("click", () => this.choose(i));
      return li;
    }));
    this.mark();
  }

  private mark(): void {
    this.list().querySelectorAll("li").forEach((li, n) => {
      li.setAttribute("aria-selected", String(n === this.at));
      if (n === this.at) li.scrollIntoView({ block: "nearest" });
    });
    if (this.items.length) this.field().setAttribute("aria-activedescendant", `found-${this.at}`);
    else this.field().removeAttribute("aria-activedescendant");
  }

  private choose(i: Item | undefined): void {
    const q = this.field().value.trim();
    this.dialog().close();
    if (i?.id) run(i.id);
    else if (i?.href) {
      remember(i);
      location.assign(i.href);
    } else if (q) location.assign(`/jump?q=${encodeURIComponent(q)}`);
  }
}

/** How well text has the letters of q in their order; 0 is not at all. */
export function fuzzy(text: string, q: string): number {
  if (!q) return 1;
  const t = text.toLowerCase();
  const words = q.toLowerCase();
  if (t.startsWith(words)) return 100;
  if (t.includes(words)) return 50;
  let from = 0;
  let gaps = 0;
  for (const c of words) {
    const found = t.indexOf(c, from);
    if (found < 0) return 0;
    gaps += found - from;
    from = found + 1;
  }
  return 20 / (1 + gaps);
}

function recent(): Item[] {
  try {
    const list: unknown = JSON.parse(localStorage.getItem(kept) ?? "[]");
    return Array.isArray(list) ? list.filter((i: Item) => typeof i?.label === "string" && typeof i.href === "string" && /^\/(?!\/)/.test(i.href)) : [];
  } catch {
    return [];
  }
}

function remember(i: Item): void {
  try {
    localStorage.setItem(kept, JSON.stringify([{ label: i.label, hint: "recent", href: i.href }, ...recent().filter((r) => r.href !== i.href)].slice(0, 6)));
  } catch {
    // Storage may be full or switched off; nothing else depends on it.
  }
}

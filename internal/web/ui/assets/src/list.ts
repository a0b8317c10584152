import { on } from "./keys";
import { load, whileWaiting } from "./part";
import { toast } from "./toast";

/** Keys, focus, selection and peeking of the issue list. */
export class List extends HTMLElement {
  private at = -1;
  private picked = new Set<string>();
  private hover = 0;

  connectedCallback(): void {
    this.picked = new Set(JSON.parse(sessionStorage.getItem(this.query()) ?? "[]") as string[]);
    for (const box of this.boxes()) box.checked = this.picked.has(box.value);
    const back = performance.getEntriesByType("navigation").some((n) => (n as PerformanceNavigationTiming).type === "back_forward");
    const from = sessionStorage.getItem(this.store());
    // Whoever comes back from an issue goes on at its row.
    const returned = back || document.referrer.startsWith(`${location.origin}/o/`) && /\/issues\/[^/?]+/.test(document.referrer);
    if (from && (returned || document.referrer.startsWith(location.origin))) this.move(this.rows().findIndex((r) => place(r) === from), returned);
    this.keys();
    this.form()?.addEventListener("change", (e) => {
      const box = e.target;
      if (!(box instanceof HTMLInputElement)) return;
      if (box.hasAttribute("data-all")) this.all(box.checked);
      else if (box.name === "id") this.pick(box, box.checked);
      this.count();
    });
    this.form()?.addEventListener("submit", (e) => this.send(e));
    this.addEventListener("focusin", (e) => {
      const i = this.rows().findIndex((r) => r.contains(e.target as Node));
      if (i >= 0) this.mark(i);
    });
    // What the reader is about to open is asked for ahead.
    for (const kind of ["pointerover", "focusin"]) {
      this.addEventListener(kind, (e) => {
        clearTimeout(this.hover);
        const link = e.target instanceof Element ? e.target.closest("[data-row]")?.querySelector<HTMLAnchorElement>("[data-row-link]") : null;
        if (link) this.hover = window.setTimeout(() => ahead(link.href), 80);
      });
    }
    this.count();
    // The pages of the issues lead from one to the next in this order, and back here.
    sessionStorage.setItem("from-list", JSON.stringify({ list: location.pathname + location.search, issues: this.rows().map(place) }));
  }

  private keys(): void {
    on("list.next", () => this.move(this.at + 1, true));
    on("list.previous", () => this.move(Math.max(this.at - 1, 0), true));
    on("list.open", () => this.link()?.click());
    on("list.peek", () => void this.peek());
    on("list.select", () => this.toggle(this.at));
    on("list.extend", () => this.extend(1));
    on("list.extend-up", () => this.extend(-1));
    on("list.all", () => {
      this.all(true);
      this.count();
    });
    on("list.resolve", () => this.act('button[value="resolve"]'));
    on("list.archive", () => this.act('button[value="archive-escalating"]'));
    on("list.bookmark", () => this.act('button[name="bookmark"][value="1"]'));
    on("list.assign", () => this.menu("list.assign"));
    on("list.priority", () => this.menu("list.priority"));
    on("list.refresh", () => location.reload());
  }

  /** Where the selection of this query is kept: it survives paging. */
  private query(): string {
    const q = new URLSearchParams(location.search);
    for (const name of ["cursor", "sort", "limit", "spark"]) q.delete(name);
    return `picked:${location.pathname}?${q}`;
  }

  private store(): string {
    return "row:" + location.pathname + location.search;
  }

  private rows(): HTMLElement[] {
    return [...this.querySelectorAll<HTMLElement>("[data-row]")];
  }

  private form(): HTMLFormElement | null {
    return this.closest("form");
  }

  private boxes(): HTMLInputElement[] {
    return [...this.querySelectorAll<HTMLInputElement>('input[name="id"]')];
  }

  private link(): HTMLAnchorElement | null {
    return this.rows()[this.at]?.querySelector<HTMLAnchorElement>(".title a") ?? null;
  }

  private mark(i: number): void {
    this.rows().forEach((r, n) => r.classList.toggle("at", n === i));
    this.at = i;
    const row = this.rows()[i];
    sessionStorage.setItem(this.store(), row ? place(row) : "");
  }

  private move(to: number, focus: boolean): void {
    const rows = this.rows();
    if (!rows.length || to < 0) return;
    this.mark(Math.min(to, rows.length - 1));
    if (focus) {
      this.link()?.focus({ preventScroll: true });
      rows[this.at]?.scrollIntoView({ block: "nearest" });
    }
    if (document.querySelector<HTMLDialogElement>("#peek")?.open) void this.peek(true);
  }

  private pick(box: HTMLInputElement, checked: boolean): void {
    box.checked = checked;
    if (checked) this.picked.add(box.value);
    else this.picked.delete(box.value);
    sessionStorage.setItem(this.query(), JSON.stringify([...this.picked]));
  }

  private toggle(i: number): void {
    const box = this.boxes()[i];
    if (box) this.pick(box, !box.checked);
    this.count();
  }

  private extend(step: number): void {
    const here = this.boxes()[this.at];
    if (here) this.pick(here, true);
    this.move(Math.max(this.at + step, 0), true);
    const there = this.boxes()[this.at];
    if (there) this.pick(there, true);
    this.count();
  }

  private all(checked: boolean): void {
    for (const box of this.boxes()) this.pick(box, checked);
  }

  private count(): void {
    const n = this.picked.size;
    this.rows().forEach((r) => r.classList.toggle("picked", !!r.querySelector<HTMLInputElement>('input[name="id"]')?.checked));
    const form = this.form();
    const words = form?.querySelector(".selected");
    if (words) words.textContent = n ? `${n} selected` : "";
    form?.classList.toggle("some", n > 0);
    const here = this.boxes().filter((b) => b.checked).length;
    const all = form?.querySelector<HTMLInputElement>("[data-all]");
    if (all) {
      all.checked = here > 0 && here === this.boxes().length;
      all.indeterminate = n > 0 && !all.checked;
    }
    const whole = form?.querySelector<HTMLElement>(".whole");
    const paged = !!document.querySelector('.pager a[rel="next"], .pager a[rel="prev"]');
    if (whole) whole.hidden = !(all?.checked && paged);
    const box = whole?.querySelector<HTMLInputElement>("input");
    if (whole?.hidden && box) box.checked = false;
  }

  /** Adds what is selected on other pages to the form, and empties the selection once it is sent. */
  private send(e: SubmitEvent): void {
    const form = this.form();
    if (!form) return;
    const whole = form.querySelector<HTMLInputElement>('input[name="all"]')?.checked;
    if (!this.picked.size && !whole) {
      e.preventDefault();
      toast("Select issues first.", { bad: true });
      return;
    }
    const here = new Set(this.boxes().map((b) => b.value));
    for (const id of this.picked) {
      if (here.has(id)) continue;
      const field = document.createElement("input");
      field.type = "hidden";
      field.name = "id";
      field.value = id;
      form.append(field);
    }
    sessionStorage.removeItem(this.query());
    // The rows fade at once; the page that comes next shows what became of them.
    for (const r of this.rows()) if (r.classList.contains("picked")) r.classList.add("leaving");
    // Focus comes back to the row that takes the place of the first one.
    const next = this.rows().slice(this.at).find((r) => !r.classList.contains("picked")) ?? this.rows().find((r) => !r.classList.contains("picked"));
    sessionStorage.setItem(this.store(), next ? place(next) : "");
    sessionStorage.setItem("refocus", "1");
  }

  /** Selects the row at hand when nothing is selected. */
  private some(): boolean {
    const box = this.boxes()[this.at];
    if (!this.picked.size && box) {
      this.pick(box, true);
      this.count();
    }
    return this.picked.size > 0;
  }

  private act(selector: string): void {
    if (this.some()) this.form()?.querySelector<HTMLButtonElement>(selector)?.click();
    else toast("Move to an issue with j, or select some with x.", { bad: true });
  }

  private menu(id: string): void {
    if (!this.some()) return;
    const menu = document.querySelector<HTMLDetailsElement>(`details[data-cmd="${id}"]`);
    if (!menu) return;
    menu.open = true;
    menu.querySelector<HTMLElement>(".menu-body button")?.focus();
  }

  /** Shows the issue at hand beside the list; the same key closes it. */
  private async peek(stay = false): Promise<void> {
    const side = document.querySelector<HTMLDialogElement>("#peek");
    const row = this.rows()[this.at];
    if (!side || !row?.dataset.peek) return;
    if (side.open && !stay) return side.close();
    let told = false;
    const arrived = whileWaiting((words) => {
      if (row !== this.rows()[this.at] || (told && !side.open)) return;
      told = true;
      const box = document.createElement("p");
      box.className = "muted waits";
      box.setAttribute("role", "status");
      box.textContent = words;
      side.replaceChildren(box);
      if (!side.open) side.show();
      this.link()?.focus({ preventScroll: true });
    });
    try {
      const page = await load(row.dataset.peek);
      const body = page.querySelector("#peek-body");
      if (!body || row !== this.rows()[this.at] || (told && !side.open)) return; // shut meanwhile
      side.replaceChildren(document.adoptNode(body));
      if (!side.open) side.show();
      this.link()?.focus({ preventScroll: true });
    } catch {
      if (side.querySelector(".waits")) side.close();
      toast("The issue could not be read.", { bad: true, action: "Try again", run: () => void this.peek(stay) });
    } finally {
      arrived();
    }
  }

  /** After an action, the keyboard goes on where it was. */
  static refocus(): void {
    if (!sessionStorage.getItem("refocus")) return;
    sessionStorage.removeItem("refocus");
    document.querySelector<HTMLElement>(".row.at .title a, .row .title a")?.focus({ preventScroll: true });
  }
}

document.addEventListener("keydown", (e) => {
  if (e.key === "Escape") document.querySelector<HTMLDialogElement>("#peek[open]")?.close();
});

/** The address of a row's issue. */
function place(row: HTMLElement): string {
  return row.querySelector<HTMLAnchorElement>("[data-row-link]")?.pathname ?? "";
}

function ahead(href: string): void {
  if ([...document.querySelectorAll<HTMLLinkElement>('link[rel="prefetch"]')].some((l) => l.href === href)) return;
  const link = document.createElement("link");
  link.rel = "prefetch";
  link.href = href;
  document.head.append(link);
}

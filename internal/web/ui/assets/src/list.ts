import { on } from "./keys";

/** Keys, focus and selection of the issue list. */
export class List extends HTMLElement {
  private at = -1;

  connectedCallback(): void {
    const saved = Number(sessionStorage.getItem(this.store()) ?? -1);
    if (performance.getEntriesByType("navigation").some((n) => (n as PerformanceNavigationTiming).type === "back_forward")) {
      this.move(saved, false);
    }
    on("list.next", () => this.move(this.at + 1, true));
    on("list.previous", () => this.move(this.at - 1, true));
    on("list.open", () => this.link()?.click());
    on("list.select", () => this.toggle());
    on("list.all", () => this.all(true));
    on("list.resolve", () => this.act("resolve"));
    on("list.archive", () => this.act("archive"));
    this.form()?.addEventListener("change", (e) => {
      const box = e.target;
      if (box instanceof HTMLInputElement && box.hasAttribute("data-all")) this.all(box.checked);
      this.count();
    });
    this.addEventListener("focusin", (e) => {
      const i = this.rows().findIndex((r) => r.contains(e.target as Node));
      if (i >= 0) this.mark(i);
    });
    this.count();
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
    sessionStorage.setItem(this.store(), String(i));
  }

  private move(to: number, focus: boolean): void {
    const rows = this.rows();
    if (!rows.length || to < 0) return;
    this.mark(Math.min(to, rows.length - 1));
    if (focus) {
      this.link()?.focus();
      rows[this.at]?.scrollIntoView({ block: "nearest" });
    }
  }

  private toggle(): void {
    const box = this.boxes()[this.at];
    if (!box) return;
    box.checked = !box.checked;
    this.count();
  }

  private all(checked: boolean): void {
    for (const box of this.boxes()) box.checked = checked;
    this.count();
  }

  private count(): void {
    const n = this.boxes().filter((b) => b.checked).length;
    this.rows().forEach((r) => r.classList.toggle("picked", !!r.querySelector<HTMLInputElement>('input[name="id"]')?.checked));
    const form = this.form();
    const words = form?.querySelector(".selected");
    if (words) words.textContent = n ? `${n} selected` : "";
    const all = form?.querySelector<HTMLInputElement>("[data-all]");
    if (all) {
      all.checked = n > 0 && n === this.boxes().length;
      all.indeterminate = n > 0 && !all.checked;
    }
  }

  /** Acts on the selection, or on the row at hand when nothing is selected. */
  private act(what: string): void {
    const boxes = this.boxes();
    if (!boxes.some((b) => b.checked)) {
      const box = boxes[this.at];
      if (!box) return;
      box.checked = true;
    }
    this.form()?.querySelector<HTMLButtonElement>(`button[value="${what}"]`)?.click();
  }
}

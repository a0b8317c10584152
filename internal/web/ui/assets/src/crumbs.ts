/** Search, kind filter and clock of the breadcrumbs in the section around it. */
export class Crumbs extends HTMLElement {
  private field = document.createElement("input");
  private kind = document.createElement("select");
  private clock = document.createElement("button");

  connectedCallback(): void {
    if (this.firstChild) return;
    this.field.type = "search";
    this.field.placeholder = "Search breadcrumbs";
    this.field.setAttribute("aria-label", "Search breadcrumbs");
    this.kind.setAttribute("aria-label", "Kind of breadcrumb");
    const all = new Option("All kinds", "");
    this.kind.append(all);
    const counts = new Map<string, number>();
    for (const row of this.rows()) {
      const kind = row.dataset.kind ?? "";
      const level = row.querySelector<HTMLElement>(".mark")?.title ?? "";
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
      if (level && level !== "info") counts.set("level: " + level, (counts.get("level: " + level) ?? 0) + 1);
    }
    for (const [kind, n] of [...counts].sort()) this.kind.append(new Option(`${kind} (${n})`, kind));
    this.clock.type = "button";
    this.clock.textContent = "Clock times";
    this.clock.setAttribute("aria-pressed", "false");
    this.append(this.field, this.kind, this.clock);
    this.field.addEventListener("input", () => this.filter());
    this.kind.addEventListener("change", () => this.filter());
    this.clock.addEventListener("click", () => this.times());
  }

  private rows(): HTMLElement[] {
    return [...(this.closest("section")?.querySelectorAll<HTMLElement>(".trail > li") ?? [])];
  }

  private filter(): void {
    const words = this.field.value.trim().toLowerCase();
    const kind = this.kind.value;
    const older = this.closest("section")?.querySelector<HTMLDetailsElement>("details.older");
    if (older && (words || kind)) older.open = true;
    for (const row of this.rows()) {
      const level = "level: " + (row.querySelector<HTMLElement>(".mark")?.title ?? "");
      const fits = (!kind || row.dataset.kind === kind || level === kind) && (!words || (row.textContent ?? "").toLowerCase().includes(words));
      row.hidden = !fits && !row.classList.contains("is-error");
    }
  }

  private times(): void {
    const on = this.clock.getAttribute("aria-pressed") !== "true";
    this.clock.setAttribute("aria-pressed", String(on));
    for (const time of this.closest("section")?.querySelectorAll<HTMLTimeElement>(".c-time time") ?? []) {
      const other = time.dataset.clock ?? "";
      time.dataset.clock = time.textContent ?? "";
      time.textContent = other;
    }
  }
}

/** Search in a JSON tree, and paths that copy when their name is pressed. */
export class Json extends HTMLElement {
  connectedCallback(): void {
    const bar = document.createElement("div");
    bar.className = "controls";
    const field = document.createElement("input");
    field.type = "search";
    field.placeholder = "Search names and values";
    field.setAttribute("aria-label", "Search names and values");
    const found = document.createElement("span");
    found.className = "muted";
    found.setAttribute("role", "status");
    bar.append(field, found);
    this.prepend(bar);
    field.addEventListener("input", () => {
      const n = this.mark(field.value.trim().toLowerCase());
      found.textContent = field.value ? `${n} found` : "";
    });
    this.addEventListener("click", (e) => {
      const key = e.target instanceof HTMLElement ? e.target.closest<HTMLElement>("[data-path]") : null;
      if (!key || !key.dataset.path) return;
      e.preventDefault();
      void navigator.clipboard?.writeText(key.dataset.path).then(() => {
        found.textContent = `Copied ${key.dataset.path}`;
      });
    });
    for (const key of this.querySelectorAll<HTMLElement>("[data-path]")) key.title = `Copy ${key.dataset.path}`;
  }

  private mark(words: string): number {
    let n = 0;
    for (const line of this.querySelectorAll<HTMLElement>("li")) line.classList.remove("hit");
    if (!words) return 0;
    for (const line of this.querySelectorAll<HTMLElement>("li")) {
      const own = [...line.children].filter((c) => !(c instanceof HTMLDetailsElement));
      const head = line.querySelector(":scope > details > summary");
      const text = [...own, ...(head ? [head] : [])].map((c) => c.textContent ?? "").join(" ").toLowerCase();
      if (!text.includes(words)) continue;
      n++;
      line.classList.add("hit");
      for (let d = line.parentElement?.closest("details"); d; d = d.parentElement?.closest("details") ?? null) d.open = true;
    }
    this.querySelector(".hit")?.scrollIntoView({ block: "center" });
    return n;
  }
}

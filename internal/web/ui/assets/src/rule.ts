/** Hides the fields that a kind of clause does not use, and lets the sentence follow the form. */
export class Rule extends HTMLElement {
  private timer = 0;
  private turn = 0;

  connectedCallback(): void {
    this.addEventListener("input", this.changed);
    this.addEventListener("change", this.changed);
    this.fit();
  }

  disconnectedCallback(): void {
    clearTimeout(this.timer);
  }

  private changed = (): void => {
    this.fit();
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.rewrite(), 250);
  };

  private fit(): void {
    for (const row of this.querySelectorAll<HTMLElement>("[data-clause]")) {
      const select = row.querySelector<HTMLSelectElement>("[data-kind]");
      const uses = (uses_[select?.value ?? ""] ?? "").split(" ");
      for (const part of row.querySelectorAll<HTMLElement>("[data-part]")) part.hidden = !uses.includes(part.dataset.part ?? "");
    }
  }

  private async rewrite(): Promise<void> {
    const form = this.querySelector("form");
    const out = this.querySelector("[data-sentence]");
    if (!form || !out) return;
    const turn = ++this.turn;
    const body = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (typeof value === "string") body.append(name, value);
    body.set("do", "sentence");
    try {
      const res = await fetch(form.action, { method: "POST", body });
      const text = await res.text();
      if (turn === this.turn && res.ok) out.textContent = text;
    } catch {
      // The server is away for a moment; saving will say so.
    }
  }
}

const uses_: Record<string, string> = {
  events: "value interval compare shift", users: "value interval compare shift", users_filtered: "value interval key",
  nth: "value", priority_changed: "value", age: "match value interval", times_seen: "value", users_seen: "value", assigned_to: "value",
  level: "match value", priority: "value", category: "value", tag: "key match value", attribute: "key match value",
  release_age: "key match value", environment: "value", query: "value",
};

interface Suggested {
  text: string;
  hint?: string;
  count?: number;
  more?: boolean;
}

const kept = "tocsin-searches";

/** Completes the word at the caret of the query field: keys, then values with counts. */
export class Search extends HTMLElement {
  private items: Suggested[] = [];
  private at = -1;
  private turn = 0;
  private choosing = false; // while the key is down that chose

  connectedCallback(): void {
    const field = this.field();
    if (!field) return;
    const list = document.createElement("ul");
    list.id = "query-list";
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", "Suggestions");
    list.hidden = true;
    this.append(list);
    for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-controls": list.id, "aria-expanded": "false" })) {
      field.setAttribute(name, value);
    }
    field.addEventListener("input", () => void this.ask());
    field.addEventListener("focus", () => void this.ask());
    field.addEventListener("blur", () => setTimeout(() => this.show([]), 150));
    field.addEventListener("keydown", (e) => this.key(e));
    field.addEventListener("keyup", () => (this.choosing = false));
    field.form?.addEventListener("submit", (e) => {
      if (!this.choosing) return remember(field.value.trim());
      e.preventDefault();
      e.stopPropagation();
    });
  }

  private field(): HTMLInputElement | null {
    return this.querySelector("input");
  }

  private list(): HTMLElement {
    return this.querySelector("ul")!;
  }

  /** The word before the caret, and where it begins. Quotation marks hold words together. */
  private word(): { text: string; from: number } {
    const f = this.field()!;
    const before = f.value.slice(0, f.selectionStart ?? f.value.length);
    let from = 0;
    let quoted = false;
    for (let i = 0; i < before.length; i++) {
      if (before[i] === '"') quoted = !quoted;
      else if (!quoted && /\s/.test(before[i] ?? "")) from = i + 1;
    }
    from += /^(!?\()*/.exec(before.slice(from))?.[0].length ?? 0; // parentheses around alternatives
    return { text: before.slice(from), from };
  }

  private async ask(): Promise<void> {
    const turn = ++this.turn;
    const { text } = this.word();
    if (!text) return this.show(this.field()?.value ? [] : recent().map((r) => ({ text: r, hint: "recent" })));
    await new Promise((done) => setTimeout(done, 60));
    if (turn !== this.turn) return;
    try {
      const address = new URL(this.getAttribute("source") ?? "", location.href);
      address.searchParams.set("word", text);
      const res = await fetch(address, { headers: { Accept: "application/json" } });
      const found: unknown = res.ok ? await res.json() : [];
      if (turn === this.turn && Array.isArray(found) && document.activeElement === this.field()) this.show(found as Suggested[]);
    } catch {
      // Without suggestions a search can still be typed.
    }
  }

  private show(items: Suggested[]): void {
    const chosen = this.items[this.at]?.text; // an answer that comes late takes no choice away
    this.items = items;
    this.at = items.findIndex((s) => s.text === chosen);
    this.list().hidden = !items.length;
    this.field()?.setAttribute("aria-expanded", String(items.length > 0));
    this.list().replaceChildren(...items.map((s, i) => {
      const li = document.createElement("li");
      li.id = `suggestion-${i}`;
      li.setAttribute("role", "option");
      const words = document.createElement("code");
      words.textContent = s.text;
      const hint = document.createElement("span");
      hint.className = "muted";
      hint.textContent = s.count ? `${s.count.toLocaleString("en")} ${s.hint ?? ""}` : s.hint ?? "";
      li.append(words, hint);
      li.addEventListener("pointerdown", (e) => {
        e.preventDefault();
        this.choose(s);
      });
      return li;
    }));
    this.mark();
  }

  private mark(): void {
    this.list().querySelectorAll("li").forEach((li, i) => li.setAttribute("aria-selected", String(i === this.at)));
    if (this.at >= 0) this.field()?.setAttribute("aria-activedescendant", `suggestion-${this.at}`);
    else this.field()?.removeAttribute("aria-activedescendant");
  }

  private key(e: KeyboardEvent): void {
    const field = this.field()!;
    if (e.key === "Enter" && e.altKey) {
      e.preventDefault();
      const address = new URL(location.href);
      address.searchParams.set("query", field.value);
      address.searchParams.delete("cursor");
      window.open(address, "_blank", "noopener");
      return;
    }
    if (this.list().hidden || !this.items.length) return;
    const step = e.key === "ArrowDown" ? 1 : e.key === "ArrowUp" ? -1 : 0;
    const chosen = this.items[this.at];
    if (step) {
      e.preventDefault();
      this.at = (this.at + step + this.items.length) % this.items.length;
      this.mark();
    } else if (chosen && (e.key === "Enter" || e.key === "Tab")) {
      e.preventDefault();
      this.choosing = true;
      this.choose(chosen);
    } else if (e.key === "Escape") {
      e.preventDefault();
      this.show([]);
    }
  }

  private choose(s: Suggested): void {
    const field = this.field()!;
    const { text, from } = this.word();
    const negated = text.startsWith("!") ? "!" : "";
    const to = field.selectionStart ?? field.value.length;
    const whole = s.hint === "recent";
    field.focus();
    field.setSelectionRange(whole ? 0 : from, whole ? field.value.length : to);
    // This command, unlike setting the value, can be undone by the reader.
    const put = (whole ? "" : negated) + s.text + (s.more || whole ? "" : " ");
    if (!document.execCommand("insertText", false, put)) field.setRangeText(put, whole ? 0 : from, to, "end");
    void this.ask();
  }
}

function recent(): string[] {
  try {
    const list: unknown = JSON.parse(localStorage.getItem(kept) ?? "[]");
    return Array.isArray(list) ? list.filter((q) => typeof q === "string") : [];
  } catch {
    return [];
  }
}

function remember(query: string): void {
  if (!query) return;
  try {
    localStorage.setItem(kept, JSON.stringify([query, ...recent().filter((q) => q !== query)].slice(0, 8)));
  } catch {
    // Storage may be full or switched off; nothing else depends on it.
  }
}

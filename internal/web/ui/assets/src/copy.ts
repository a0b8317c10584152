/** A button that copies its text and says so without moving anything. */
export class Copy extends HTMLElement {
  connectedCallback(): void {
    const button = this.querySelector("button");
    const done = this.querySelector("[role=status]");
    if (!button || !done) return;
    button.addEventListener("click", async () => {
      const ok = await this.text().then(copy, () => false);
      button.dataset.state = ok ? "done" : "failed";
      done.textContent = ok ? "Copied" : "Copying is not allowed here";
      setTimeout(() => {
        delete button.dataset.state;
        done.textContent = "";
      }, 1500);
    });
  }

  /** The text at hand, or what the address answers with. */
  private async text(): Promise<string> {
    const from = this.getAttribute("from");
    if (!from) return this.getAttribute("text") ?? "";
    const res = await fetch(from);
    return res.ok ? res.text() : Promise.reject(new Error(`status ${res.status}`));
  }
}

export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Plain http has no clipboard: select the text in a field and use the older command.
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "sr";
    document.body.append(field);
    field.select();
    const ok = document.execCommand("copy");
    field.remove();
    return ok;
  }
}

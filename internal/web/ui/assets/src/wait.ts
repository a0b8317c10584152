interface Arrivals {
  title?: string;
  shortId?: string;
  next?: string;
  refused?: { words: string; count: number }[];
}

/** Shows what arrives of a project as it arrives, why things were refused, and sends a test event. */
export class Wait extends HTMLElement {
  private timer = 0;
  private shown = "";

  connectedCallback(): void {
    this.shown = this.getAttribute("shown") ?? "";
    this.timer = window.setInterval(() => void this.ask(), 1000);
    const to = this.getAttribute("send");
    if (!to || this.querySelector("button")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Send a test event";
    this.append(button);
    button.addEventListener("click", () => void this.send(to, button));
  }

  disconnectedCallback(): void {
    clearInterval(this.timer);
  }

  /** Sends an event as an SDK would. */
  private async send(to: string, button: HTMLButtonElement): Promise<void> {
    const id = crypto.getRandomValues(new Uint8Array(16)).reduce((s, b) => s + b.toString(16).padStart(2, "0"), "");
    const event = JSON.stringify({
      event_id: id, platform: "other", level: "info", timestamp: Date.now() / 1000, logger: "tocsin",
      message: "A test event sent from the set-up page", tags: { test: "yes" },
    });
    button.disabled = true;
    try {
      const body = `{"event_id":"${id}"}\n{"type":"event","length":${new TextEncoder().encode(event).length}}\n${event}\n`;
      const res = await fetch(to, { method: "POST", body, headers: { "Content-Type": "text/plain" } });
      if (!res.ok) this.say(`The test event was refused: ${res.headers.get("X-Sentry-Error") ?? "status " + res.status}`);
    } catch {
      this.say("The test event could not be sent: the address in the DSN does not answer this browser.");
    }
    button.disabled = false;
  }

  private say(words: string): void {
    const list = this.querySelector(".refused");
    const item = document.createElement("li");
    item.textContent = words;
    list?.append(item);
  }

  private async ask(): Promise<void> {
    if (document.hidden) return;
    try {
      const res = await fetch(this.getAttribute("poll") ?? "", { headers: { Accept: "application/json" } });
      if (res.ok) this.show((await res.json()) as Arrivals);
    } catch {
      // The server is away for a moment; the next turn asks again.
    }
  }

  private show(a: Arrivals): void {
    const list = this.querySelector(".refused");
    const words = (a.refused ?? []).map((r) => `${r.count} refused: ${r.words}`);
    if (list && words.join("\n") !== [...list.children].map((c) => c.textContent).join("\n") && words.length) {
      list.replaceChildren(...words.map((w) => Object.assign(document.createElement("li"), { textContent: w })));
    }
    if (!a.next || !a.next.startsWith("/") || a.next === this.shown) return;
    this.shown = a.next;
    this.classList.add("arrived");
    const link = Object.assign(document.createElement("a"), { href: a.next, textContent: `${a.shortId} ${a.title}` });
    const state = this.querySelector(".wait-state");
    const said = document.createElement("span");
    said.append("An event has arrived: ", link);
    state?.replaceChildren(said);
  }
}

/** Asks whether the first event has come and then goes to it. */
export class Wait extends HTMLElement {
  private timer = 0;

  connectedCallback(): void {
    this.timer = window.setInterval(() => void this.ask(), 1500);
  }

  disconnectedCallback(): void {
    clearInterval(this.timer);
  }

  private async ask(): Promise<void> {
    if (document.hidden) return;
    try {
      const res = await fetch(this.getAttribute("poll") ?? "", { headers: { Accept: "application/json" } });
      if (!res.ok) return;
      const answer: { next?: unknown } = await res.json();
      if (typeof answer.next === "string" && answer.next.startsWith("/")) {
        clearInterval(this.timer);
        location.assign(answer.next);
      }
    } catch {
      // The server is away for a moment; the next turn asks again.
    }
  }
}

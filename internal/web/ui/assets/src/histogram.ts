import { load, whileWaiting } from "./part";

/** The events of a list over time, read after the list; dragging over it chooses a time. */
export class HistogramChart extends HTMLElement {
  private from = -1;

  connectedCallback(): void {
    const source = this.getAttribute("source");
    if (source && !this.querySelector("figure")) void this.read(source);
    else this.listen();
  }

  private async read(source: string): Promise<void> {
    const arrived = whileWaiting((words) => this.say(words));
    try {
      const drawn = (await load(source)).querySelector("x-histogram");
      if (!drawn) throw new Error("no chart");
      this.setAttribute("starts", drawn.getAttribute("starts") ?? "");
      this.replaceChildren(...[...drawn.childNodes].map((n) => document.adoptNode(n)));
      this.listen();
    } catch {
      this.say("The events over time could not be read.", () => void this.read(source));
    } finally {
      arrived();
    }
  }

  /** Stands for the chart while it is not there. */
  private say(words: string, again?: () => void): void {
    const box = document.createElement("p");
    box.className = "muted small";
    box.setAttribute("role", "status");
    box.textContent = words;
    if (again) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "plain";
      button.textContent = "Try again";
      button.addEventListener("click", again);
      box.append(" ", button);
    }
    this.replaceChildren(box);
  }

  private listen(): void {
    const chart = this.querySelector("svg");
    if (!chart) return;
    const starts = (this.getAttribute("starts") ?? "").split(" ");
    const n = starts.length - 1;
    const bucket = (e: PointerEvent): number => {
      const box = chart.getBoundingClientRect();
      return Math.min(n - 1, Math.max(0, Math.floor(((e.clientX - box.left) / box.width) * n)));
    };
    const shade = (a: number, b: number): void => {
      this.querySelectorAll(".hit").forEach((hit, i) => hit.classList.toggle("chosen", i >= Math.min(a, b) && i <= Math.max(a, b)));
    };
    chart.addEventListener("pointerdown", (e) => {
      this.from = bucket(e);
      chart.setPointerCapture(e.pointerId);
      shade(this.from, this.from);
    });
    chart.addEventListener("pointermove", (e) => {
      if (this.from >= 0) shade(this.from, bucket(e));
    });
    chart.addEventListener("pointerup", (e) => {
      if (this.from < 0) return;
      const to = bucket(e);
      const [a, b] = [Math.min(this.from, to), Math.max(this.from, to) + 1];
      this.from = -1;
      const address = new URL(location.href);
      for (const name of ["period", "cursor"]) address.searchParams.delete(name);
      address.searchParams.set("from", starts[a] ?? "");
      address.searchParams.set("to", starts[b] ?? "");
      location.assign(address);
    });
  }
}

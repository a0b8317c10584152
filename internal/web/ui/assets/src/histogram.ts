import { load } from "./part";

/** The events of a list over time, read after the list; dragging over it chooses a time. */
export class HistogramChart extends HTMLElement {
  private from = -1;

  connectedCallback(): void {
    const source = this.getAttribute("source");
    if (source && !this.querySelector("figure")) {
      load(source).then((page) => {
        const drawn = page.querySelector("x-histogram");
        if (!drawn) return;
        this.setAttribute("starts", drawn.getAttribute("starts") ?? "");
        this.replaceChildren(...[...drawn.childNodes].map((n) => document.adoptNode(n)));
        this.listen();
      }).catch(() => {
        this.textContent = "The chart could not be read.";
      });
    } else this.listen();
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

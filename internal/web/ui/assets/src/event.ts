import { bind } from "./keys";

/** Keys of the issue page. */
export class EventKeys extends HTMLElement {
  connectedCallback(): void {
    const go = (where: string) => () => {
      const href = this.getAttribute(where);
      if (href) location.assign(href);
    };
    bind("j", "older event", go("older"));
    bind("k", "newer event", go("newer"));
    bind("e", "resolve or reopen", () => document.querySelector<HTMLButtonElement>('.actions [data-key="e"]')?.click());
    bind("m", "archive", () => document.querySelector<HTMLButtonElement>('.actions [data-key="m"]')?.click());
    bind("X", "unfold every frame", () => {
      const all = [...document.querySelectorAll<HTMLDetailsElement>(".frames details")];
      const open = all.some((d) => !d.open);
      for (const d of all) d.open = open;
    });
    for (let n = 1; n <= 9; n++) {
      bind(String(n), `section ${n}`, () => document.querySelectorAll<HTMLAnchorElement>(".index a")[n - 1]?.click());
    }
  }
}

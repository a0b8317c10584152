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
      const all = [...document.querySelectorAll<HTMLDetailsElement>(".frames li > details")];
      const open = all.some((d) => !d.open);
      for (const d of all) d.open = open;
    });
    const choose = (label: string) => () => {
      const links = [...document.querySelectorAll<HTMLAnchorElement>(`.seg[aria-label="${label}"] a`)];
      const at = links.findIndex((a) => a.hasAttribute("aria-current"));
      links[(at + 1) % links.length]?.click();
    };
    const copyIn = (selector: string) => () => document.querySelector<HTMLButtonElement>(selector + " button")?.click();
    bind("f", "in-app or all frames", choose("Frames"));
    bind("s", "resolved frames or as they arrived", choose("Version"));
    bind("y", "copy the link", copyIn('x-copy[label="Copy link"]'));
    bind("Y", "copy as Markdown", copyIn('x-copy[label="Copy as Markdown"]'));
    bind("C", "copy as curl", copyIn('x-copy[label="Copy as curl"]'));
    bind("c", "comment", () => document.querySelector<HTMLTextAreaElement>("#comment")?.focus());
    bind("n", "next issue", go("next"));
    bind("p", "previous issue", go("previous"));
    for (let n = 1; n <= 9; n++) {
      bind(String(n), `section ${n}`, () => document.querySelectorAll<HTMLAnchorElement>(".index a")[n - 1]?.click());
    }
  }
}

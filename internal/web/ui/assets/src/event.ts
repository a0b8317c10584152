import { on } from "./keys";

/** Keys of the issue page. */
export class EventKeys extends HTMLElement {
  connectedCallback(): void {
    const go = (where: string) => () => {
      const href = this.getAttribute(where);
      if (href) location.assign(href);
    };
    on("event.older", go("older"));
    on("event.newer", go("newer"));
    on("frames.unfold", () => {
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
    on("frames.in-app", choose("Frames"));
    on("frames.original", choose("Version"));
    on("copy.link", copyIn('x-copy[label="Copy link"]'));
    on("copy.markdown", copyIn('x-copy[label="Copy as Markdown"]'));
    on("copy.curl", copyIn('x-copy[label="Copy as curl"]'));
    on("issue.comment", () => document.querySelector<HTMLTextAreaElement>("#comment")?.focus());
    on("issue.next", go("next"));
    on("issue.previous", go("previous"));
    on("issue.section", (n) => document.querySelectorAll<HTMLAnchorElement>(".index a")[Number(n) - 1]?.click());
  }
}

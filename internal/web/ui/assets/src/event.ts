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
    this.fromList();
    on("issue.section", (n) => document.querySelectorAll<HTMLAnchorElement>(".index a")[Number(n) - 1]?.click());
  }
  /** Leads to the issues around this one in the list that the reader came from. */
  private fromList(): void {
    const nav = document.querySelector<HTMLElement>(".from-list");
    const from = JSON.parse(sessionStorage.getItem("from-list") ?? "null") as { list: string; issues: string[] } | null;
    const at = from?.issues.findIndex((i) => location.pathname === i || location.pathname.startsWith(`${i}/`)) ?? -1;
    if (!nav || !from || at < 0) return;
    sessionStorage.setItem(`row:${from.list}`, from.issues[at] ?? ""); // where the list goes on
    const part = (name: string) => nav.querySelector<HTMLElement>(`[data-from="${name}"]`);
    const lead = (name: string, where: string | undefined) => {
      const link = part(name) as HTMLAnchorElement | null;
      if (link && where) link.href = where;
      else link?.setAttribute("aria-disabled", "true");
    };
    lead("previous", from.issues[at - 1]);
    lead("next", from.issues[at + 1]);
    lead("list", from.list);
    const place = part("place");
    if (place) place.textContent = `${at + 1} of ${from.issues.length}`;
    nav.hidden = false;
  }
}

// Sections of the event fold by a press on their heading; which are folded is remembered.
const store = "folded sections";

function folded(): Set<string> {
  try {
    return new Set(JSON.parse(localStorage.getItem(store) ?? "[]") as string[]);
  } catch {
    return new Set();
  }
}

function prepare(section: HTMLElement): void {
  const title = section.querySelector<HTMLElement>(":scope > h2:not(.sr), :scope > .sect-head > h2");
  if (!title || title.querySelector("button")) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "fold";
  button.append(...title.childNodes);
  title.append(button);
  const show = (open: boolean): void => {
    section.classList.toggle("folded", !open);
    button.setAttribute("aria-expanded", String(open));
  };
  show(!folded().has(section.id));
  button.addEventListener("click", () => {
    const all = folded();
    const open = section.classList.contains("folded");
    if (open) all.delete(section.id);
    else all.add(section.id);
    show(open);
    localStorage.setItem(store, JSON.stringify([...all]));
  });
}

function prepareAll(): void {
  for (const section of document.querySelectorAll<HTMLElement>(".doc .sect[id]")) prepare(section);
}

prepareAll();
document.addEventListener("part", prepareAll);

// A link to a folded section unfolds it.
document.addEventListener("click", (e) => {
  const link = e.target instanceof Element ? e.target.closest<HTMLAnchorElement>('.index a[href^="#"]') : null;
  if (link) document.getElementById(link.hash.slice(1))?.classList.remove("folded");
});

// With Alt a tag is excluded rather than searched for.
document.addEventListener("click", (e) => {
  const tag = e.target instanceof Element ? e.target.closest<HTMLAnchorElement>("a[data-exclude]") : null;
  if (!tag || !e.altKey || !tag.dataset.exclude) return;
  e.preventDefault();
  location.assign(tag.dataset.exclude);
});

// Keys run commands. Which keys, in which words, is in the sheet that the server drew (view.Commands);
// what a command does is a function given to on(), else the element marked with data-cmd.

export interface Command {
  readonly id: string;
  readonly keys: string;
  readonly words: string;
}

type Run = (key: string) => void;

const runs = new Map<string, Run>();
let pressed = "";
let forget = 0;

/** Says what a command does on this page. */
export function on(id: string, run: Run): void {
  runs.set(id, run);
}

/** The commands of this page, those that do nothing on it left out. */
export function commands(): Command[] {
  return all().filter((c) => runs.has(c.id) || target(c.id));
}

function all(): Command[] {
  return [...document.querySelectorAll<HTMLElement>("#keys [data-keys]")].map((e) => ({
    id: e.dataset.id ?? "",
    keys: e.dataset.keys ?? "",
    words: e.querySelector("dd")?.textContent ?? "",
  }));
}

function target(id: string): HTMLElement | undefined {
  const marked = [...document.querySelectorAll<HTMLElement>(`[data-cmd="${id}"]`)];
  return marked.find((e) => e.offsetParent !== null || e.closest("details.menu, dialog, .rail-fold"));
}

/** Runs a command; false when it does nothing here. */
export function run(id: string, key = ""): boolean {
  const f = runs.get(id);
  if (f) {
    f(key);
    return true;
  }
  const e = target(id);
  if (!e) return false;
  if (e instanceof HTMLInputElement && e.type !== "checkbox" || e instanceof HTMLTextAreaElement || e instanceof HTMLSelectElement) {
    e.focus();
    if (e instanceof HTMLInputElement) e.select();
  } else if (e instanceof HTMLDetailsElement) {
    e.open = !e.open;
    e.querySelector<HTMLElement>(e.open ? ".menu-body button, .menu-body a, .menu-body input" : "summary")?.focus();
  } else e.click();
  return true;
}

function typing(where: EventTarget | null): boolean {
  return where instanceof HTMLElement &&
    (where.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(where.tagName)) &&
    !(where instanceof HTMLInputElement && /^(checkbox|radio|button|submit)$/.test(where.type));
}

function named(e: KeyboardEvent): string {
  return e.key === " " ? "Space" : e.key;
}

function fits(c: Command, keys: string): boolean {
  return c.keys === keys || c.keys === "1-9" && /^[1-9]$/.test(keys);
}

document.addEventListener("keydown", (e) => {
  if (e.defaultPrevented || e.isComposing) return;
  if ((e.ctrlKey || e.metaKey) && !e.altKey && !e.shiftKey && e.key.toLowerCase() === "k") {
    if (run("palette")) e.preventDefault();
    return;
  }
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  if (typing(e.target)) {
    if (e.key === "Escape") (e.target as HTMLElement).blur();
    return;
  }
  if (document.body.dataset.keys === "off" || document.querySelector("dialog[open]:not(.peek)")) return;
  const key = named(e);
  // What is focused has the first right to the keys that press it.
  const onControl = e.target instanceof HTMLElement && e.target.matches("button, summary, input, select, a:not([data-row-link])");
  if (key === "Enter" || key === "Tab" || key === "Shift" || key === "Space" && onControl) return;
  const sequence = pressed ? `${pressed} ${key}` : key;
  const list = all();
  const command = list.find((c) => fits(c, sequence)) ?? list.find((c) => fits(c, key));
  clearTimeout(forget);
  pressed = !command && list.some((c) => c.keys.startsWith(`${key} `)) ? key : "";
  if (pressed) forget = window.setTimeout(() => (pressed = ""), 1500);
  if (command ? run(command.id, key) : pressed) e.preventDefault();
});

on("help", () => {
  // Only what does something here is shown.
  const here = new Set(commands().map((c) => c.id));
  for (const e of document.querySelectorAll<HTMLElement>("#keys [data-id]")) e.hidden = e.dataset.id !== "close" && !here.has(e.dataset.id ?? "");
  document.querySelector<HTMLDialogElement>("#keys")?.showModal();
});

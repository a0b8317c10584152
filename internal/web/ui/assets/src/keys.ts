// One registry of single-key commands. Keys never fire inside fields or with modifiers.

export interface Command {
  readonly key: string;
  readonly words: string;
  run(): void;
}

const commands = new Map<string, Command>();
let prefix = "";

/** Makes a key do something; a later registration of the same key replaces an earlier one. */
export function bind(key: string, words: string, run: () => void): void {
  commands.set(key, { key, words, run });
}

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) &&
    !(target instanceof HTMLInputElement && target.type === "checkbox");
}

document.addEventListener("keydown", (e) => {
  if (e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey || e.isComposing) return;
  if (typing(e.target)) {
    if (e.key === "Escape") (e.target as HTMLElement).blur();
    return;
  }
  if (e.key === "Enter" || e.key === " " || e.key === "Tab") return;
  const command = commands.get(prefix + e.key);
  prefix = !prefix && e.key === "g" ? "g " : "";
  if (command) {
    e.preventDefault();
    command.run();
  }
});

/** Shows every key in a dialog. */
function sheet(): void {
  document.querySelector("dialog.keys")?.remove();
  const dialog = document.createElement("dialog");
  dialog.className = "keys";
  const title = document.createElement("h2");
  title.textContent = "Keys";
  const list = document.createElement("dl");
  for (const c of commands.values()) {
    const key = document.createElement("dt");
    const kbd = document.createElement("kbd");
    kbd.textContent = c.key;
    key.append(kbd);
    const words = document.createElement("dd");
    words.textContent = c.words;
    list.append(key, words);
  }
  const form = document.createElement("form");
  form.method = "dialog";
  const close = document.createElement("button");
  close.textContent = "Close";
  form.append(close);
  dialog.append(title, list, form);
  document.body.append(dialog);
  dialog.showModal();
}

function follow(selector: string): () => void {
  return () => document.querySelector<HTMLAnchorElement>(selector)?.click();
}

bind("?", "show the keys", sheet);
bind("/", "search", () => {
  const field = document.querySelector<HTMLInputElement>("#query, #jump");
  field?.focus();
  field?.select();
});
bind("g i", "go to the issues", follow('.rail a[href$="/issues"]'));
bind("g p", "go to the projects", follow('.rail a[href$="/projects"]'));
bind("g a", "go to the alerts", follow('.rail a[href$="/alerts"]'));

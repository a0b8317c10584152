// Dialogs: what opens them, and asking before something is done.

document.addEventListener("click", (e) => {
  const from = e.target instanceof Element ? e.target : null;
  const opener = from?.closest<HTMLElement>("[data-dialog]");
  if (opener) {
    e.preventDefault();
    document.querySelector<HTMLDialogElement>(`#${CSS.escape(opener.dataset.dialog ?? "")}`)?.showModal();
    return;
  }
  // A press beside a dialog closes it.
  if (from instanceof HTMLDialogElement) {
    const box = from.getBoundingClientRect();
    if (e.clientX < box.left || e.clientX > box.right || e.clientY < box.top || e.clientY > box.bottom) from.close();
  }
});

// A button with data-confirm asks its question first. Enter answers no.
document.addEventListener("submit", (e) => {
  const button = e.submitter;
  const question = button?.dataset.confirm;
  if (!button || !question || !(e.target instanceof HTMLFormElement)) return;
  e.preventDefault();
  e.stopImmediatePropagation();
  const form = e.target;
  ask(question, button.textContent?.trim() || "Do it", () => {
    delete button.dataset.confirm;
    form.requestSubmit(button);
    button.dataset.confirm = question;
  });
}, { capture: true });

/** Asks a question; yes runs when it is affirmed. */
export function ask(question: string, verb: string, yes: () => void): void {
  const dialog = document.createElement("dialog");
  dialog.className = "dialog";
  dialog.setAttribute("role", "alertdialog");
  const words = document.createElement("p");
  words.textContent = question;
  words.id = "ask-words";
  dialog.setAttribute("aria-labelledby", words.id);
  const form = document.createElement("form");
  form.method = "dialog";
  form.className = "buttons";
  const no = document.createElement("button");
  no.textContent = "Cancel";
  no.autofocus = true;
  const ok = document.createElement("button");
  ok.textContent = verb;
  ok.className = "danger";
  ok.addEventListener("click", yes);
  form.append(no, ok);
  dialog.append(words, form);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

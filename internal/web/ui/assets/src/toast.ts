import { on } from "./keys";

const stay = 10_000;

/** Tells something at the edge of the page; action is offered beside it. */
export function toast(text: string, o: { bad?: boolean; action?: string; run?: () => void } = {}): void {
  const box = document.createElement("div");
  box.className = o.bad ? "notice toast bad" : "notice toast";
  const words = document.createElement("span");
  words.textContent = text;
  box.append(words);
  if (o.action && o.run) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    button.textContent = o.action;
    if (o.action === "Undo") button.dataset.undo = "";
    const act = o.run;
    button.addEventListener("click", () => {
      box.remove();
      act();
    });
    box.append(button);
  }
  document.querySelector("#toasts")?.append(box);
  settle(box);
}

/** Lets a toast be closed, and go by itself unless it is bad or in use. */
function settle(box: HTMLElement): void {
  const close = document.createElement("button");
  close.type = "button";
  close.className = "plain close";
  close.textContent = "×";
  close.setAttribute("aria-label", "Close");
  close.addEventListener("click", () => box.remove());
  box.append(close);
  if (box.classList.contains("bad")) return;
  const leave = (): void => {
    if (box.matches(":hover, :focus-within")) setTimeout(leave, 1000);
    else box.remove();
  };
  setTimeout(leave, stay);
}

for (const box of document.querySelectorAll<HTMLElement>("#toasts .toast")) settle(box);

const undo = (): void => [...document.querySelectorAll<HTMLButtonElement>("#toasts [data-undo]")].pop()?.click();
on("list.undo", undo);
on("issue.undo", undo);

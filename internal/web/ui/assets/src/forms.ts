// Filters apply when they change, without a press on the button.
document.addEventListener("change", (e) => {
  const field = e.target;
  if ((field instanceof HTMLSelectElement || field instanceof HTMLInputElement) && field.hasAttribute("data-submit")) field.form?.requestSubmit();
});

// Filters left empty stay out of the address, which keeps it worth copying.
document.addEventListener("submit", (e) => {
  const form = e.target;
  if (!(form instanceof HTMLFormElement) || form.method !== "get") return;
  for (const field of form.querySelectorAll<HTMLInputElement | HTMLSelectElement>("input[name], select[name]")) {
    if (field.value === "" && field.name !== "query") field.disabled = true;
  }
});

// A menu closes when the reader turns elsewhere.
document.addEventListener("click", (e) => {
  for (const menu of document.querySelectorAll<HTMLDetailsElement>("details.menu[open]")) {
    if (!menu.contains(e.target as Node)) menu.open = false;
  }
});
document.addEventListener("keydown", (e) => {
  if (e.key !== "Escape") return;
  for (const menu of document.querySelectorAll<HTMLDetailsElement>("details.menu[open]")) {
    menu.open = false;
    if (menu.contains(document.activeElement)) menu.querySelector<HTMLElement>("summary")?.focus();
  }
});

// Choices of a menu apply when it closes, when any of them changed.
document.addEventListener("toggle", (e) => {
  const menu = e.target;
  if (!(menu instanceof HTMLDetailsElement) || !menu.matches(".filter")) return;
  const state = [...menu.querySelectorAll<HTMLInputElement>("input")].map((i) => `${i.checked}${i.type === "text" ? i.value : ""}`).join();
  if (menu.open) menu.dataset.state = state;
  else if (menu.dataset.state !== undefined && menu.dataset.state !== state) menu.closest("form")?.requestSubmit();
}, { capture: true });

// Someone who types a range of their own means it and not the period chosen above it.
document.addEventListener("input", (e) => {
  const field = e.target;
  if (!(field instanceof HTMLInputElement) || !/^(from|to)$/.test(field.name)) return;
  for (const radio of field.closest(".menu-body")?.querySelectorAll<HTMLInputElement>("input[type=radio]") ?? []) radio.checked = false;
});

// Coming back by the history finds the fields as they were.
window.addEventListener("pageshow", () => {
  for (const field of document.querySelectorAll<HTMLInputElement>("form[method=get] :disabled")) field.disabled = false;
});

// Forms say when they hold something that is not saved yet, and leaving asks first.
document.addEventListener("input", (e) => {
  if (e.target instanceof HTMLElement) e.target.closest("form[data-dirty]")?.classList.add("dirty");
});
document.addEventListener("submit", (e) => {
  if (e.target instanceof HTMLElement) e.target.classList.remove("dirty");
});
window.addEventListener("beforeunload", (e) => {
  if (document.querySelector("form.dirty")) e.preventDefault();
});

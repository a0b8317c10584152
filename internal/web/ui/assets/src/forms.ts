// Filters apply when they change, without a press on the button.
document.addEventListener("change", (e) => {
  if (e.target instanceof HTMLSelectElement && e.target.hasAttribute("data-submit")) e.target.form?.requestSubmit();
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

// Coming back by the history finds the fields as they were.
window.addEventListener("pageshow", () => {
  for (const field of document.querySelectorAll<HTMLInputElement>("form[method=get] :disabled")) field.disabled = false;
});

// What somebody writes is kept in the tab until the server has it: a login that ends meanwhile, or a
// connection that fails, takes nothing away.
const kept = "draft:";
const store = (field: HTMLTextAreaElement): string => `${kept}${field.form?.getAttribute("action") ?? ""}#${field.id}`;
const sent = (field: HTMLTextAreaElement): string => `${store(field)} sent`;

// The page after the one that sent something says what became of it.
const taken = !!document.querySelector("#toasts .toast:not(.bad)");

for (const field of document.querySelectorAll<HTMLTextAreaElement>("textarea[data-draft]")) {
  const draft = sessionStorage.getItem(store(field));
  if (taken && sessionStorage.getItem(sent(field))) sessionStorage.removeItem(store(field));
  else if (draft && !field.value) field.value = draft;
  sessionStorage.removeItem(sent(field));
  field.addEventListener("input", () => sessionStorage.setItem(store(field), field.value));
  field.form?.addEventListener("submit", () => sessionStorage.setItem(sent(field), "1"));
}

// Whoever signs out takes it along.
document.addEventListener("submit", (e) => {
  if (!(e.target instanceof HTMLFormElement) || e.target.getAttribute("action") !== "/logout") return;
  for (const key of Object.keys(sessionStorage)) if (key.startsWith(kept)) sessionStorage.removeItem(key);
});

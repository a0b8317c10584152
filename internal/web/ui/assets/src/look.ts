// Theme, density and rail change at once; the server keeps the choice.
import { on } from "./keys";

const root = document.documentElement;

function dark(): boolean {
  return root.classList.contains("dark") || !root.classList.contains("light") && matchMedia("(prefers-color-scheme: dark)").matches;
}

function keep(name: string, value: string): void {
  void fetch("/account/look", { method: "POST", body: new URLSearchParams({ [name]: value }) });
}

function theme(): void {
  const next = dark() ? "light" : "dark";
  root.classList.remove("light", "dark");
  root.classList.add(next);
  keep("theme", next);
}

function density(): void {
  const roomy = root.classList.toggle("roomy");
  root.classList.toggle("compact", !roomy);
  keep("density", roomy ? "roomy" : "");
}

function rail(): void {
  keep("rail", root.classList.toggle("small-rail") ? "small" : "");
}

on("theme", theme);
on("density", density);
on("rail", rail);

const byName: Record<string, () => void> = { theme, density, rail };
document.addEventListener("submit", (e) => {
  if (!(e.target instanceof HTMLFormElement) || e.target.getAttribute("action") !== "/account/look") return;
  const change = byName[(e.submitter as HTMLButtonElement | null)?.name ?? ""];
  if (!change) return;
  e.preventDefault();
  change();
});

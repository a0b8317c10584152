// When the server cannot answer, pages stay readable and say so, and what would change something waits.
import { toast } from "./toast";

const every = 2_000;

/** A page that stands for one that could not be drawn comes back as soon as that one can be. */
function comeBack(): void {
  window.setTimeout(async () => {
    try {
      const res = document.hidden ? null : await fetch(location.href, { redirect: "manual" });
      if (res && (res.ok || res.type === "opaqueredirect")) return location.reload();
    } catch {
      // The next look may get through.
    }
    comeBack();
  }, every);
}

if (document.querySelector("[data-away]")) comeBack();

function tell(): void {
  const bar = document.querySelector<HTMLElement>("#offline");
  if (bar) bar.hidden = navigator.onLine;
}

window.addEventListener("online", tell);
window.addEventListener("offline", tell);
tell();

// A form that would be lost stays as it is.
document.addEventListener("submit", (e) => {
  if (navigator.onLine) return;
  e.preventDefault();
  e.stopImmediatePropagation();
  toast("This device is offline: nothing was sent. What you wrote stays here.", { bad: true });
}, { capture: true });

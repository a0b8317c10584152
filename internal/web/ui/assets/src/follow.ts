// What is going on is looked at again every few seconds until it is over: the section with
// data-follow is replaced by the same section of the page as it is then.
import { load } from "./part";

let waits = 0;

function follow(): void {
  clearTimeout(waits);
  const section = document.querySelector<HTMLElement>("section[id][data-follow]");
  if (!section) return;
  waits = window.setTimeout(async () => {
    if (!document.hidden && !section.contains(document.activeElement)) {
      try {
        const fresh = (await load(location.href)).getElementById(section.id);
        if (fresh && section.isConnected) {
          section.replaceWith(document.adoptNode(fresh));
          document.dispatchEvent(new CustomEvent("part", { detail: fresh }));
        }
      } catch {
        // The next look may get through.
      }
    }
    follow();
  }, Number(section.dataset.follow) * 1000);
}

document.addEventListener("visibilitychange", follow);
follow();

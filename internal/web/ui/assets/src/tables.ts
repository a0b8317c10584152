// On a narrow screen a row of a table is drawn as a card, in which each cell says of which column it is.
// Tables that put two things beside each other stay as they are, and scroll.
const roles: readonly (readonly [string, string])[] = [["thead, tbody, tfoot", "rowgroup"], ["tr", "row"], ["td", "cell"], ["th[scope=row]", "rowheader"], ["th[scope=col]", "columnheader"]];

function label(): void {
  for (const table of document.querySelectorAll<HTMLTableElement>("table.grid:not(.compared, .twins, .cards-below, .labelled)")) {
    const heads = [...table.tHead?.rows[0]?.cells ?? []].map((h) => h.querySelector(".sr") ? "" : h.textContent?.trim() ?? "");
    if (heads.length < 3) continue;
    table.classList.add("labelled");
    for (const row of [...table.tBodies].flatMap((b) => [...b.rows])) {
      if (row.cells.length === heads.length) [...row.cells].forEach((c, i) => heads[i] && (c.dataset.label = heads[i]));
    }
    // Drawn as blocks it stays a table for those who hear it.
    table.setAttribute("role", "table");
    for (const [parts, role] of roles) for (const e of table.querySelectorAll(parts)) e.setAttribute("role", role);
  }
}

label();
document.addEventListener("part", label);

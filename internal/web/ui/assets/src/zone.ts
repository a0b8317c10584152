/** Offers the browser's own time zone for a field. */
export class Zone extends HTMLElement {
  connectedCallback(): void {
    const field = document.getElementById(this.getAttribute("for") ?? "");
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (!(field instanceof HTMLInputElement) || !zone || field.value === zone || this.firstChild) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    button.textContent = `Use ${zone}`;
    button.addEventListener("click", () => {
      field.value = zone;
      this.replaceChildren();
    });
    this.append(button);
  }
}

// <x-passkey begin finish mode then>: a button that makes a passkey or signs in with one.
export class Passkey extends HTMLElement {
  connectedCallback() {
    const button = this.querySelector("button");
    if (!button) return;
    if (!("PublicKeyCredential" in window) || !("parseCreationOptionsFromJSON" in PublicKeyCredential)) {
      this.hidden = true;
      return;
    }
    button.addEventListener("click", () => void this.run(button));
  }

  private async run(button: HTMLButtonElement) {
    const say = this.querySelector<HTMLElement>("[role=alert]");
    if (say) say.hidden = true;
    button.disabled = true;
    try {
      const options = await this.post(this.getAttribute("begin") ?? "", null);
      const credential =
        this.getAttribute("mode") === "create"
          ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
          : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
      if (!credential) throw new Error("The browser gave no passkey.");
      const name = this.querySelector<HTMLInputElement>("input[name=name]")?.value ?? "";
      const tail = name ? "?name=" + encodeURIComponent(name) : "";
      await this.post((this.getAttribute("finish") ?? "") + tail, (credential as PublicKeyCredential).toJSON());
      location.assign(this.getAttribute("then") || "/");
    } catch (err) {
      button.disabled = false;
      if (!say) return;
      const gaveUp = err instanceof DOMException && (err.name === "NotAllowedError" || err.name === "AbortError");
      say.textContent = gaveUp ? "No passkey was used." : err instanceof Error ? err.message : "That did not work.";
      say.hidden = false;
    }
  }

  private async post(path: string, body: unknown) {
    const res = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body ?? {}),
    });
    const answer = await res.json();
    if (!res.ok) throw new Error(answer.detail ?? "That did not work.");
    return answer;
  }
}

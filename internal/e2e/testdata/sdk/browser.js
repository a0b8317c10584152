// Reports an uncaught error of a page, as a customer's front end would.
import * as Sentry from "@sentry/browser";

Sentry.init({
  dsn: window.location.hash.slice(1),
  release: "shop-web@7.1.0",
  environment: "staging",
  beforeSend(event) {
    window.reported = event.event_id;
    return event;
  },
});
Sentry.setUser({ id: "browser-7" });

function renderCart(cart) {
  return cart.items.map((item) => item.price.amount);
}

document.getElementById("buy").addEventListener("click", function onBuy() {
  renderCart({ items: [{ price: null }] });
});

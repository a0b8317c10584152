// Throws inside a few calls and reports it, as a service written by a customer would.
import * as Sentry from "@sentry/node";

Sentry.init({
  dsn: process.env.SENTRY_DSN,
  release: "shop@2.4.1",
  environment: "staging",
});
Sentry.setUser({ id: "42", email: "ada@example.com" });
Sentry.setTag("tenant", "north");
Sentry.addBreadcrumb({ category: "cart", message: "item added", level: "info" });

function applyDiscount(order) {
  const rate = order.customer.discount.rate;
  return order.total * (1 - rate);
}

function checkout() {
  return applyDiscount({ total: 100, customer: { name: "Ada" } });
}

try {
  checkout();
} catch (error) {
  console.log(Sentry.captureException(error));
}
await Sentry.flush(5000);

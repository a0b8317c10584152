// What pages send besides errors: through the tunnel, with a file, a user's words and the crash dialog.
import * as Sentry from "@sentry/browser";

const [dsn, tunnel] = decodeURIComponent(window.location.hash.slice(1)).split("|");
Sentry.init({ dsn, tunnel, release: "shop-web@7.1.0" });
const eventId = Sentry.withScope((scope) => {
  scope.addAttachment({ filename: "cart.txt", data: "two apples" });
  return Sentry.captureException(new Error("through the tunnel"));
});
const feedbackId = Sentry.captureFeedback({ message: "The button does nothing", name: "Ada", email: "ada@example.com", associatedEventId: eventId });
document.getElementById("tell").addEventListener("click", () => Sentry.showReportDialog({ eventId, user: { name: "Ada", email: "ada@example.com" } }));
window.addEventListener("message", (event) => {
  if (event.data === "__sentry_reportdialog_closed__") window.dialogClosed = "yes";
});
Sentry.flush(5000).then(() => {
  window.sent = JSON.stringify({ eventId, feedbackId });
});

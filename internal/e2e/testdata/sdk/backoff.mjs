// Reports one error after the other, and what the client dropped itself at the end.
import * as Sentry from "@sentry/node";

Sentry.init({ dsn: process.env.SENTRY_DSN });
for (let n = 0; n < 6; n++) {
  Sentry.captureException(new Error("again " + n));
  await Sentry.flush(5000);
}
await Sentry.close(5000);

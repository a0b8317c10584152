// What a receiver does with a webhook, as the documents of Sentry and of Standard Webhooks tell it,
// with nothing of ours. Standard input: [{name, secret, headers, body}]; it prints a line for each.
import crypto from "node:crypto";
import { readFileSync } from "node:fs";

function verify({ secret, headers, body }) {
  // https://docs.sentry.io/organization/integrations/integration-platform/webhooks/ verifies the body
  // after its framework parsed it.
  const again = JSON.stringify(JSON.parse(body));
  const sentry = crypto.createHmac("sha256", secret).update(again, "utf8").digest("hex");
  if (sentry !== headers["sentry-hook-signature"]) return "Sentry-Hook-Signature does not verify";

  // https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const text = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
  const mac = "v1," + crypto.createHmac("sha256", key).update(text).digest("base64");
  if (!headers["webhook-signature"].split(" ").includes(mac)) return "Webhook-Signature does not verify";
  if (Math.abs(Date.now() / 1000 - Number(headers["webhook-timestamp"])) > 300) return "the timestamp is not now";
  return "verified";
}

for (const request of JSON.parse(readFileSync(0, "utf8"))) console.log(`${request.name}: ${verify(request)}`);

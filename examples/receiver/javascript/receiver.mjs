// Receive webhooks from Signpost and verify them with the library `standardwebhooks`.

import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const webhooks = process.env.SIGNPOST_WEBHOOK_SECRETS.split(/\s+/).map((secret) => new Webhook(secret));
const port = Number(process.env.PORT ?? 9000);
const LARGEST_BODY = 256 * 1024;
const MOST_IDS = 10_000; // a real app keeps them in its database
const seen = new Set();

/** Return the event in a webhook, or undefined if it is not genuine. */
function verify(body, headers) {
  for (const webhook of webhooks) {
    try {
      return webhook.verify(body, headers);
    } catch {
      // the next secret may match
    }
  }
  return undefined;
}

/** Process an event once, although Signpost may send it again. */
function processEvent(event) {
  if (seen.has(event.id)) return;
  seen.add(event.id);
  if (seen.size > MOST_IDS) seen.delete(seen.values().next().value);
  console.log(event.type, event.id, event.status ?? "");
}

createServer((request, response) => {
  const chunks = [];
  let size = 0;
  request.on("data", (chunk) => {
    size += chunk.length;
    if (size > LARGEST_BODY) request.destroy();
    chunks.push(chunk);
  });
  request.on("end", () => {
    const event = verify(Buffer.concat(chunks).toString("utf8"), request.headers);
    if (event) processEvent(event);
    response.writeHead(event ? 204 : 401).end();
  });
}).listen(port, "127.0.0.1", () => console.log(`Listening on http://127.0.0.1:${port}/`));

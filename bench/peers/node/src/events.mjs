/** Event items: what became of every message. And request items, for the webhooks that answer a request. */

import { attributesOf } from "./record.mjs";
import { expiresAt, expressionOf, n, s, unlessRefused } from "./table.mjs";
import { requestId, shortText } from "./webhook-body.mjs";

const MAX_DATA_BYTES = 4 * 1024;

/** Notes that a message is being worked on. Gives the key of its event item. */
export const beginEvent = async (table, message, now) => {
  const { webhook, part } = message;
  const key = {
    pk: s(`LINK#${webhook.link_id}`),
    sk: s(`EVENT#${String(message.received_at).padStart(13, "0")}#${message.key}`),
  };
  const set = {
    webhook_type: s(webhook.webhook_type),
    webhook_code: s(webhook.webhook_code),
    source: s(message.source),
    received_at: n(message.received_at),
    part: n(part.index),
    parts: n(part.of),
    expires_at: n(expiresAt(now)),
  };
  for (const name of ["webhook_id", "process_type"]) {
    if (shortText(webhook[name])) set[name] = s(webhook[name]);
  }
  if (requestId(webhook.request_id)) set.request_id = s(webhook.request_id);
  if (message.withheld) set.withheld_bytes = n(message.withheld.bytes);
  const data = keptData(webhook.data);
  if (data) set.data = data;
  // A delivery that comes late does not open again what another one has ended.
  const change = expressionOf({ set, setIfAbsent: { outcome: s("processing") } });
  change.UpdateExpression += " ADD attempts :one";
  change.ExpressionAttributeValues[":one"] = n(1);
  await table.update(key, change);
  return key;
};

/** Notes how a message ended, when that needed no pass. */
export const endEvent = (table, key, outcome) =>
  table.update(key, expressionOf({ set: { outcome: s(outcome) }, remove: ["reason"] }));

/** The webhook's `data`, with lists as their length; none when it is too large. */
const keptData = (data) => {
  if (data === null || typeof data !== "object" || Array.isArray(data)) return undefined;
  const kept = attributesOf(data);
  for (const [name, value] of Object.entries(kept)) {
    if (value.L) kept[name] = n(value.L.length);
  }
  return sizeOfMembers(kept) <= MAX_DATA_BYTES ? { M: kept } : undefined;
};

const sizeOfMembers = (members) =>
  Object.entries(members).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + sizeOf(value), 0);

const sizeOf = ({ S, N, L, M }) => {
  if ((S ?? N) !== undefined) return Buffer.byteLength(S ?? N) + 1;
  if (L) return L.reduce((sum, item) => sum + 1 + sizeOf(item), 3);
  return M ? 3 + Object.keys(M).length + sizeOfMembers(M) : 2;
};

/** Notes that a message has been worked on that answers a request, if it does. Of several parts the last one counts. */
export const completeRequest = async (table, { webhook, part }, counts, now) => {
  const id = requestId(webhook.request_id);
  if (id === undefined || part.index + 1 !== part.of) return;
  const ended = Object.entries(counts ?? {}).map(([name, count]) => [name, n(count)]);
  const setIfAbsent = {
    completed_at: n(now),
    resource: s(webhook.webhook_type),
    ...Object.fromEntries(ended),
    link_id: s(webhook.link_id),
    gsi1pk: s(`LINK#${webhook.link_id}`),
    gsi1sk: s(`REQUEST#${id}`),
  };
  const change = expressionOf({
    set: { status: s("completed"), expires_at: n(expiresAt(now)) },
    setIfAbsent,
    remove: ["gsi2pk", "gsi2sk"],
  });
  // One that waits for several resources is left as it is.
  const key = { pk: s(`REQUEST#${id}`), sk: s("REQUEST") };
  await unlessRefused(table.update(key, { ...change, ConditionExpression: "attribute_not_exists(awaited)" }));
};

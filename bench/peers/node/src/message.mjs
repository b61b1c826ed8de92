/**
 * A webhook as it travels through the queue: as it came, mostly. One with long lists of ids becomes several messages, and
 * one that is too large loses what no sync needs.
 */

import { createHash } from "node:crypto";
import { parse, stringify } from "lossless-json";

const MAX_IDS_PER_MESSAGE = 500;
const MAX_MESSAGE_BYTES = 200 * 1024;
const MAX_PARTS = 256;
const MAX_LISTS = 8;
const MAX_KEPT_BYTES = 2 * 1024;
const ENVELOPE = [
  "webhook_id", "webhook_type", "eventType", "process_type", "webhook_code", "eventCode", "link_id", "request_id",
  "external_id",
];
const LISTS = ["updated_", "deleted_"];

/** The messages of a webhook: bodies for SQS, with their group and deduplication id. */
export const messagesOf = (webhook, body, receivedAt) => {
  const sha256 = createHash("sha256").update(body).digest("hex");
  const { parts, isWhole } = split(webhook, body);
  const withheld = { bytes: Buffer.byteLength(body), sha256 };
  return parts.map((text, index) => {
    const key = `${sha256}-${index}`;
    const written = (json, isCut) => {
      const head = JSON.stringify({ v: 1, received_at: receivedAt, source: "webhook", key, part: { index, of: parts.length } });
      const tail = isCut ? `,"withheld":${JSON.stringify(withheld)}` : "";
      return escapeToAscii(`${head.slice(0, -1)},"webhook":${json}${tail}}`);
    };
    return { key, group: webhook.linkId ?? "unrouted", body: cutToFit(written, text, !isWhole) };
  });
};

/** The JSON of each part. A body that is not split is not written anew: every number keeps its digits. */
const split = (webhook, body) => {
  const { data } = webhook.members;
  const isObject = data !== null && typeof data === "object" && !Array.isArray(data);
  const lists = isObject ? LISTS.flatMap((kind) => idLists(data, kind).slice(0, MAX_LISTS)) : [];
  const longest = Math.max(0, ...lists.map((name) => data[name].length));
  const count = Math.ceil(longest / MAX_IDS_PER_MESSAGE);
  if (count <= 1) return { parts: [body.trim()], isWhole: true };
  const exact = parse(body);
  if (count > MAX_PARTS) return { parts: [stringify(envelopeOf(exact))], isWhole: false };
  const beside = keptBeside(exact.data, new Set(lists));
  const parts = Array.from({ length: count }, (_, part) => {
    const slice = (ids) => ids.slice(part * MAX_IDS_PER_MESSAGE, (part + 1) * MAX_IDS_PER_MESSAGE);
    const slices = Object.fromEntries(lists.map((name) => [name, slice(exact.data[name])]));
    return stringify({ ...envelopeOf(exact), data: { ...beside, ...slices } });
  });
  return { parts, isWhole: false };
};

const idLists = (data, kind) => Object.keys(data).filter((name) => name.startsWith(kind) && Array.isArray(data[name]));

const envelopeOf = (members) => {
  const isKept = ([name, value]) => ENVELOPE.includes(name) && Buffer.byteLength(stringify(value)) <= MAX_KEPT_BYTES;
  return Object.fromEntries(Object.entries(members).filter(isKept));
};

/** The members of `data` that are no lists of ids, as long as they are few and short. */
const keptBeside = (data, lists) => {
  let room = MAX_KEPT_BYTES;
  const fits = ([name, value]) => {
    if (lists.has(name)) return false;
    const bytes = Buffer.byteLength(name) + Buffer.byteLength(stringify(value));
    if (bytes > room) return false;
    room -= bytes;
    return true;
  };
  return Object.fromEntries(Object.entries(data).filter(fits));
};

const cutToFit = (written, text, isCut) => {
  const whole = written(text, isCut);
  if (whole.length <= MAX_MESSAGE_BYTES) return whole;
  const members = parse(text);
  const envelope = envelopeOf(members);
  const withData = written(stringify({ ...envelope, data: members.data }), true);
  return withData.length <= MAX_MESSAGE_BYTES ? withData : written(stringify(envelope), true);
};

/** SQS refuses some of Unicode. Outside strings JSON has nothing beyond ASCII. */
const escapeToAscii = (json) =>
  json.replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);

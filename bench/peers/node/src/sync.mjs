/** The sync function: queue in, Belvo asked, table written. Of all webhooks it knows `TRANSACTIONS historical_update`. */

import { processPartialResponse, SqsFifoPartialProcessorAsync } from "@aws-lambda-powertools/batch";
import { MetricUnit } from "@aws-lambda-powertools/metrics";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { tuned, within } from "./aws.mjs";
import { Belvo } from "./belvo.mjs";
import { beginEvent, completeRequest, endEvent } from "./events.mjs";
import { digitsOf, parseExact } from "./json.mjs";
import { failureOf } from "./failure.mjs";
import { markMissing, readList, storeAccounts } from "./listing.mjs";
import { loggerOf, metricsOf, required } from "./log.mjs";
import { n, s, Table } from "./table.mjs";
import { announcedIn } from "./tally.mjs";
import { loggableKind } from "./words.mjs";

const VERSION = 1;
const RESOURCE = "TRANSACTIONS";
/** An event counts as covered when it was received so long before a listing began. */
const CLOCK_MARGIN_MS = 250;
const HOUR_MS = 60 * 60 * 1_000;
/** After how long a listing in doubt is to be repeated: after the first, the second ... in a row. */
const DRIFT_DELAYS = [HOUR_MS, 6 * HOUR_MS, 24 * HOUR_MS, 7 * 24 * HOUR_MS];

const logger = loggerOf("sync");
const metrics = metricsOf("sync");
const table = new Table(required("TABLE_NAME"));
const secrets = tuned(SecretsManagerClient, { requestHandler: within(1_500) });
const belvo = new Belvo(required("BELVO_BASE_URL"), secrets, required("BELVO_SECRET_ARN"));
const processor = new SqsFifoPartialProcessorAsync();

/** Works on a batch in its order. After a failure the later messages of the same link come back too. */
export const handler = (event, context) =>
  processPartialResponse(event, work, processor, { context, skipGroupOnError: true, throwOnFullBatchFailure: false });

const work = async (record) => {
  const started = performance.now();
  const attempt = Number(record.attributes.ApproximateReceiveCount);
  let about = { webhook_type: "other", attempt };
  let message;
  try {
    message = messageOf(record.body);
    about = aboutOf(message, attempt);
    const ended = await run(message, attempt);
    const now = Date.now();
    const counts = ended.counts ?? { pages: 0, written: 0, unchanged: 0, stale: 0, deleted: 0, unreadable: 0 };
    const isDone = ended.outcome !== "unknown";
    const age = isDone ? { age_ms: Math.max(0, now - message.received_at) } : {};
    const { pages, ...metered } = counts;
    const checked = ended.check ? { checked: 1, ...(ended.check === "drift" && { drift: 1 }) } : {};
    write("info", about, { outcome: ended.outcome }, { ...metered, checked: checked.checked }, { ...age, drift: checked.drift },
      { pages, check: ended.check }, started);
  } catch (error) {
    const failure = failureOf(error);
    const others = { cause: error.name, message_id: record.messageId };
    write("warn", about, { outcome: "failed", error: failure }, {}, {}, others, started);
    // That this fails too changes nothing. That another pass was quicker is no reason to look for.
    if (message && failure !== "overtaken") await table.noteFailure(message.webhook.link_id, RESOURCE, failure).catch(() => {});
    throw error;
  }
};

const numberOf = (value) => Number(digitsOf(value));

/** The webhook that travels in a message. */
const messageOf = (body) => {
  const { v, received_at: receivedAt, part, withheld, ...message } = parseExact(body);
  if (numberOf(v) !== VERSION) throw new Error("a message of another version");
  return {
    ...message,
    received_at: numberOf(receivedAt),
    part: { index: numberOf(part.index), of: numberOf(part.of) },
    withheld: withheld && { bytes: numberOf(withheld.bytes) },
  };
};

const aboutOf = ({ webhook }, attempt) => ({
  link_id: webhook.link_id,
  request_id: webhook.request_id,
  ...loggableKind(webhook.webhook_type, webhook.webhook_code),
  attempt,
});

const run = async (message, attempt) => {
  const { webhook } = message;
  const event = await beginEvent(table, message, Date.now());
  if (webhook.webhook_type !== RESOURCE || webhook.webhook_code !== "historical_update") {
    await endEvent(table, event, "unknown");
    return { outcome: "unknown" };
  }
  const { listingBeganAt } = await table.syncState(webhook.link_id, RESOURCE);
  if (listingBeganAt !== undefined && message.received_at + CLOCK_MARGIN_MS < listingBeganAt) {
    await endEvent(table, event, "covered");
    await completeRequest(table, message, undefined, Date.now());
    return { outcome: "covered" };
  }
  const { counts, check } = await list(message, event, attempt);
  await completeRequest(table, message, counts, Date.now());
  return { outcome: "applied", counts, check };
};

const list = async (message, event, attempt) => {
  const { webhook } = message;
  const announced = announcedIn(webhook.data ?? {});
  const webhookAt = message.source === "webhook" ? message.received_at : undefined;
  const { pass, tally } = await readList({ belvo, table, attempt }, webhook.link_id, RESOURCE, announced, webhookAt);
  const isListed = !tally.moved && !tally.hasTombstones;
  const isFirstLoad = pass.before.lastPassAt === undefined;
  if (isListed && tally.counts.unreadable === 0 && !isFirstLoad) await markMissing(table, pass, tally);
  await storeAccounts(table, pass, tally);
  const { check, counts } = tally;
  const now = Date.now();
  await table.finish(pass, stateAfter(pass, tally, isListed, now), event, counts, now);
  return { check, counts };
};

/** What the finished listing leaves behind. One that moved does not count as a listing. */
const stateAfter = (pass, tally, isListed, now) => {
  const set = { last_success_at: n(now), check: s(tally.check) };
  const remove = ["last_error"];
  const days = [pass.before.watermark, tally.moved ? undefined : new Date(pass.beganAt).toISOString().slice(0, 10)];
  const watermark = days.filter(Boolean).sort().at(-1);
  if (watermark) set.watermark = s(watermark);
  if (isListed) {
    Object.assign(set, { listed_at: n(pass.stamp), listing_began_at: n(pass.beganAt), count: n(tally.seen.size) });
  }
  if (tally.check === "drift") {
    const times = pass.before.drifts + 1;
    Object.assign(set, { drifts: n(times), relist_at: n(now + DRIFT_DELAYS[Math.min(times, DRIFT_DELAYS.length) - 1]) });
  } else if (isListed) {
    remove.push("drifts", "relist_at");
  }
  return { set, remove };
};

/** Writes the line of a message, and its metrics: `counts` by stack alone, `byType` by the webhook's type too. */
const write = (level, about, { outcome, error }, counts, byType, others, started) => {
  const answered = belvo.takeAnswered();
  const elapsed = Math.floor(performance.now() - started);
  const typed = { elapsed_ms: elapsed, ...byType };
  const failures = error ? { failures: 1 } : {};
  logger[level]("worked on a message", { ...about, outcome, syncs: 1, error, ...failures, ...others, ...counts, ...answered, ...typed });
  for (const [name, count] of Object.entries({ ...counts, ...answered })) {
    if (count > 0) metrics.addMetric(name, MetricUnit.Count, count);
  }
  if (metrics.hasStoredMetrics()) metrics.publishStoredMetrics();
  publishBy({ outcome }, { syncs: 1 });
  if (error) publishBy({ error }, failures);
  publishBy({}, typed);
  publishBy({ webhook_type: about.webhook_type }, typed);
};

/** A line of metrics by some words. */
const publishBy = (words, values) => {
  metrics.addDimensions(words);
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) continue;
    metrics.addMetric(name, name.endsWith("_ms") ? MetricUnit.Milliseconds : MetricUnit.Count, value);
  }
  metrics.publishStoredMetrics();
};

/** The webhook function: HTTP in, queue out. A 2xx answer to a POST means that SQS holds the webhook. */

import { MetricUnit } from "@aws-lambda-powertools/metrics";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { SQSClient } from "@aws-sdk/client-sqs";
import { Authenticator } from "./authenticator.mjs";
import { tuned, within } from "./aws.mjs";
import { causeOf, loggerOf, metricsOf, required } from "./log.mjs";
import { messagesOf } from "./message.mjs";
import { sendAll } from "./queue.mjs";
import { allowedSources } from "./sources.mjs";
import { parseWebhook } from "./webhook-body.mjs";
import { loggableKind } from "./words.mjs";

const MAX_BODY_BYTES = 1024 * 1024;
const UNAVAILABLE = { code: "service_unavailable", message: "The webhook was not taken. Send it again." };

const logger = loggerOf("webhook");
const metrics = metricsOf("webhook");
const sqs = tuned(SQSClient, { requestHandler: within(1_000), useQueueUrlAsEndpoint: false, md5: false });
const queueUrl = required("QUEUE_URL");
const graceHours = Number(process.env.SECRET_GRACE_HOURS || 24);
const secrets = tuned(SecretsManagerClient, { requestHandler: within(800) });
const authenticator = new Authenticator(secrets, required("WEBHOOK_SECRET_ARN"), graceHours);
const mayPass = allowedSources(process.env.ALLOWED_SOURCE_IPS);
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

// Start-up is the cheapest time to read the secret. The first request waits for it.
const warmedUp = authenticator.warmUp();

/** Answers one event of an HTTP API. */
export const handler = async (event, context) => {
  if (!event.rawPath.replace(/\/+$/, "").endsWith("/webhooks")) return answer(404);
  switch (event.requestContext.http.method) {
    case "GET":
    case "HEAD":
      return answer(200);
    case "POST":
      return receive(event, context.awsRequestId);
    default:
      return answer(405, undefined, { allow: "GET, HEAD, POST" });
  }
};

const answer = (statusCode, document, headers) => ({
  statusCode,
  headers: { "cache-control": "no-store", ...(document && { "content-type": "application/json" }), ...headers },
  body: document ? JSON.stringify(document) : "",
  isBase64Encoded: false,
});

const receive = async (event, lambdaRequestId) => {
  if (!mayPass(event.requestContext.http.sourceIp)) {
    refused("WARN", "refused a webhook", { reason: "source_ip" });
    return answer(403);
  }
  await warmedUp;
  try {
    if (!(await authenticator.isAuthentic(event.headers?.authorization, Date.now()))) {
      refused("WARN", "refused a webhook", { reason: "credentials" });
      return answer(401);
    }
  } catch (error) {
    refused("ERROR", "cannot read the webhook secret", { reason: "secret", error: causeOf(error) });
    return answer(503, { request_id: lambdaRequestId, errors: [UNAVAILABLE] });
  }
  const bytes = event.isBase64Encoded ? Buffer.from(event.body ?? "", "base64") : undefined;
  const size = bytes?.length ?? Buffer.byteLength(event.body ?? "");
  if (size > MAX_BODY_BYTES) {
    refused("WARN", "refused a webhook", { reason: "size", body_bytes: size });
    return answer(413);
  }
  const body = bytes ? decoded(bytes) : (event.body ?? "");
  const webhook = parseWebhook(body);
  if (webhook.errors.length) {
    const errors = webhook.errors.map(({ field, code }) => `${field ?? "body"}: ${code}`);
    refused("WARN", "refused a webhook", { reason: "invalid", errors });
    return answer(400, { request_id: webhook.requestId ?? lambdaRequestId, errors: webhook.errors });
  }
  return enqueue(webhook, body, lambdaRequestId);
};

/** What is no UTF-8 is no JSON either. */
const decoded = (bytes) => {
  try {
    return utf8.decode(bytes);
  } catch {
    return "";
  }
};

const enqueue = async (webhook, body, lambdaRequestId) => {
  const messages = messagesOf(webhook, body, Date.now());
  const document = { request_id: webhook.requestId ?? lambdaRequestId };
  const about = { request_id: webhook.requestId, link_id: webhook.linkId, ...loggableKind(webhook.type, webhook.code) };
  const started = performance.now();
  let failure;
  try {
    await sendAll(sqs, queueUrl, messages);
  } catch (error) {
    failure = error;
  }
  const enqueueMs = Math.floor(performance.now() - started);
  if (failure) {
    const fields = { reason: "queue", error: causeOf(failure), ...about, enqueue_ms: enqueueMs };
    metrics.singleMetric().addMetric("enqueue_ms", MetricUnit.Milliseconds, enqueueMs);
    refused("ERROR", "cannot enqueue", fields);
    return answer(503, { ...document, errors: [UNAVAILABLE] });
  }
  logger.info("accepted a webhook", { accepted: 1, messages: messages.length, ...about, enqueue_ms: enqueueMs });
  metrics.addMetric("accepted", MetricUnit.Count, 1);
  metrics.addMetric("enqueue_ms", MetricUnit.Milliseconds, enqueueMs);
  metrics.publishStoredMetrics();
  return answer(202, document);
};

/** The line of a request that is not taken. */
const refused = (level, message, fields) => {
  logger[level === "WARN" ? "warn" : "error"](message, { ...fields, refused: 1 });
  metrics.addDimension("reason", fields.reason);
  metrics.addMetric("refused", MetricUnit.Count, 1);
  metrics.publishStoredMetrics();
};

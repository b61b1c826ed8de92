"""The webhook function: HTTP in, queue out. A 2xx answer to a POST means that SQS holds the webhook."""

import base64
import ipaddress
import json
import time
from typing import Any

import aws
from authenticator import Authenticator, SecretUnavailable
from envelope import Invalid, Webhook
from fifo import NotTaken, Queue
from journal import Journal, kind
from message import messages
from settings import optional, required

PATH = "/webhooks"
MAX_BODY_BYTES = 1024 * 1024
UNAVAILABLE = [{"code": "service_unavailable", "message": "The webhook was not taken. Send it again."}]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


journal = Journal("webhook")
sources = [ipaddress.ip_network(text.strip()) for text in optional("ALLOWED_SOURCE_IPS").split(",") if text.strip()]
# Belvo waits five seconds.
queue = Queue(aws.client("sqs", 2, 1.0), required("QUEUE_URL"))
authenticator = Authenticator(
    aws.client("secretsmanager", 2, 0.8), required("WEBHOOK_SECRET_ARN"), int(optional("SECRET_GRACE_HOURS", "24"))
)
try:
    # Start-up is the cheapest time to read the secret; when that fails, the first request tries again.
    authenticator.read(now_ms())
except SecretUnavailable as unavailable:
    journal.logger.warning("cannot read the webhook secret yet", error=str(unavailable))


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    http = event["requestContext"]["http"]
    if not event["rawPath"].rstrip("/").endswith(PATH):
        return answer(404)
    method = http["method"]
    if method == "POST":
        return receive(event, http, context.aws_request_id)
    # Belvo validates the URL when it is registered.
    return answer(200) if method in ("GET", "HEAD") else answer(405, {"allow": "GET, HEAD, POST"})


def receive(event: dict[str, Any], http: dict[str, Any], lambda_id: str) -> dict[str, Any]:
    if sources and not any(ipaddress.ip_address(http["sourceIp"]) in network for network in sources):
        return refuse("source_ip", 403)
    try:
        if not authenticator.allows(event["headers"].get("authorization"), now_ms()):
            return refuse("credentials", 401)
    except SecretUnavailable as unavailable:
        not_taken("error", "cannot read the webhook secret", "secret", error=str(unavailable))
        return document(503, lambda_id, UNAVAILABLE)
    text = event.get("body") or ""
    raw = base64.b64decode(text) if event.get("isBase64Encoded") else text.encode()
    if len(raw) > MAX_BODY_BYTES:
        return refuse("size", 413, body_bytes=len(raw))
    try:
        webhook = Webhook(raw)
    except Invalid as invalid:
        wrong = str([(error.get("field", "body"), error["code"]) for error in invalid.errors])
        not_taken("warning", "refused a webhook", "invalid", errors=wrong)
        return document(400, invalid.request_id or lambda_id, invalid.errors)
    return enqueue(webhook, raw, lambda_id)


def enqueue(webhook: Webhook, raw: bytes, lambda_id: str) -> dict[str, Any]:
    carried = messages(webhook, raw, now_ms())
    facts = {"request_id": webhook.request_id, "link_id": webhook.link_id, **kind(webhook.type, webhook.code)}
    started = time.perf_counter()
    try:
        queue.send(carried)
    except NotTaken as error:
        not_taken("error", "cannot enqueue", "queue", error=str(error), enqueue_ms=since_ms(started), **facts)
        return document(503, webhook.request_id or lambda_id, UNAVAILABLE)
    enqueue_ms = since_ms(started)
    journal.logger.info("accepted a webhook", messages=len(carried), enqueue_ms=enqueue_ms, **facts)
    journal.keep({"accepted": 1}, {"enqueue_ms": enqueue_ms})
    return document(202, webhook.request_id or lambda_id)


def since_ms(started: float) -> int:
    return int((time.perf_counter() - started) * 1_000)


def refuse(reason: str, status: int, **facts: Any) -> dict[str, Any]:
    """Without any detail to whoever asked."""
    not_taken("warning", "refused a webhook", reason, **facts)
    return answer(status)


def not_taken(level: str, message: str, reason: str, **facts: Any) -> None:
    getattr(journal.logger, level)(message, reason=reason, **facts)
    journal.keep({"refused": 1}, reason=reason)


def document(status: int, request_id: str, errors: list[dict[str, str]] | None = None) -> dict[str, Any]:
    body = {"request_id": request_id, "errors": errors} if errors else {"request_id": request_id}
    return answer(status, {"content-type": "application/json"}, json.dumps(body))


def answer(status: int, headers: dict[str, str] | None = None, body: str = "") -> dict[str, Any]:
    return {"statusCode": status, "headers": {"cache-control": "no-store", **(headers or {})}, "body": body}

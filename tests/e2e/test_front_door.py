"""Responses to webhooks and other requests, and their effects."""

import contextlib
import http.client
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from deployment import Deployment, new_link_id, wait_until, webhook
from metric_lines import lines

# Belvo's timeout for a webhook.
BELVO_PATIENCE_SECONDS = 5

NEAR_MISSES: dict[str, Callable[[str], str | None]] = {
    "no header": lambda right: None,
    "an empty header": lambda right: "",
    "something else": lambda right: "Bearer something-else",
    "the token without its scheme": lambda right: right.removeprefix("Bearer "),
    "the scheme without its token": lambda right: "Bearer",
    "another scheme": lambda right: right.replace("Bearer", "Basic"),
    "one character less": lambda right: right[:-1],
    "one character more": lambda right: right + "A",
    "the last character changed": lambda right: right[:-1] + ("a" if right[-1] != "a" else "b"),
    "the first character changed": lambda right: "Bearer " + ("a" if right[7] != "a" else "b") + right[8:],
    "upper and lower case swapped": lambda right: "Bearer " + right.removeprefix("Bearer ").swapcase(),
    "two blanks": lambda right: right.replace(" ", "  "),
    "twice": lambda right: f"{right}, {right}",
    "the header's name in the value": lambda right: f"Authorization: {right}",
    "in quotes": lambda right: f'"{right}"',
}

# `mismatch` in the function's log. The response does not contain it.
MISMATCHES = {
    "no header": "no header",
    "something else": "unknown token",
    "the token without its scheme": "scheme",
    "another scheme": "scheme",
    "two blanks": "white space",
    "the header's name in the value": "header name in the value",
    "in quotes": "quotes",
}


def test_wrong_missing_and_near_miss_credentials_get_401_and_leave_nothing_in_the_queue(deployment: Deployment):
    with deployment.paused_sync():
        for kind, miss in NEAR_MISSES.items():
            answer = deployment.post(harmless(), authorization=miss(deployment.authorization))
            assert (answer.status_code, answer.content) == (401, b""), kind
        assert deployment.depth() == 0

        # The counter-check: the right credentials enqueue a message.
        assert deployment.post(harmless()).status_code == 202
        assert deployment.depth() == 1


@pytest.mark.parametrize("kind", MISMATCHES)
def test_the_log_names_the_mismatch_of_a_header_without_its_content(deployment: Deployment, kind: str):
    before = len(refusals(deployment))
    assert deployment.post(harmless(), authorization=NEAR_MISSES[kind](deployment.authorization)).status_code == 401
    wait_until(lambda: len(refusals(deployment)) > before, "the line")
    line = refusals(deployment)[-1]
    assert (line["reason"], line["mismatch"]) == ("credentials", MISMATCHES[kind])
    assert deployment.authorization.removeprefix("Bearer ") not in json.dumps(line)


def refusals(deployment: Deployment) -> list[dict]:
    """Returns the events about wrong credentials, oldest first."""
    found = [line for line in lines(deployment) if line.get("reason") == "credentials"]
    return sorted(found, key=lambda line: line["timestamp"])


def test_the_scheme_is_case_insensitive(deployment: Deployment):
    for scheme in ("bearer", "BEARER"):
        answer = deployment.post(harmless(), authorization=deployment.authorization.replace("Bearer", scheme))
        assert answer.status_code == 202, scheme


def test_wrong_credentials_get_401_before_the_body_is_parsed(deployment: Deployment):
    assert deployment.post("{not json", authorization="Bearer no").status_code == 401


def test_the_response_to_an_accepted_webhook_has_its_request_id(deployment: Deployment):
    body = harmless()
    answer = deployment.post(body)
    assert answer.status_code == 202
    assert answer.json() == {"request_id": body["request_id"]}


@pytest.mark.parametrize(
    ("broken", "field"),
    [
        ({"webhook_type": ""}, "webhook_type"),
        ({"webhook_code": None}, "webhook_code"),
        ({"link_id": "no/slash"}, "link_id"),
    ],
)
def test_a_json_object_that_is_no_webhook_gets_400_with_belvos_request_id(
    deployment: Deployment, broken: dict, field: str
):
    body = harmless() | broken
    answer = deployment.post(body)
    assert answer.status_code == 400
    assert answer.json()["request_id"] == body["request_id"]
    [error] = answer.json()["errors"]
    assert error["field"] == field
    assert error["code"] and error["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"null", b"\xff\xfe", b'{"webhook_type": "ACCOUNTS",'])
def test_bad_json_gets_400_with_lambdas_request_id(deployment: Deployment, body: bytes):
    answer = deployment.post(body)
    assert answer.status_code == 400
    uuid.UUID(answer.json()["request_id"])
    assert answer.json()["errors"]


def test_a_refused_webhook_leaves_nothing_in_the_queue(deployment: Deployment):
    with deployment.paused_sync():
        assert deployment.post(b"{").status_code == 400
        assert deployment.post(b" " * (1024 * 1024 + 1)).status_code == 413
        assert deployment.depth() == 0


def test_a_body_over_one_mebibyte_gets_413_and_nothing_else(deployment: Deployment):
    answer = deployment.post(json.dumps(harmless(padding="x" * 1024 * 1024)))
    assert (answer.status_code, answer.content) == (413, b"")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_belvos_validation_of_the_url_needs_no_credentials(deployment: Deployment, method: str):
    answer = deployment.request(method)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_other_methods_get_405(deployment: Deployment, method: str):
    assert deployment.request(method, harmless(), deployment.authorization).status_code == 405


@pytest.mark.parametrize("query", ["a=<", 'a="{}|\\^`', "a=%ZZ&%", "?#a=[", "a=%00%FF"])
def test_the_query_does_not_change_the_response(deployment: Deployment, query: str):
    """A failed invocation would be a 502 and raise an alarm."""
    for authorization, status in ((None, 401), ("Bearer of a stranger", 401), (deployment.authorization, 202)):
        assert post_as_it_is(deployment, query, authorization) == status, authorization


@pytest.mark.parametrize("header", [{"X-Forwarded-Proto": "ht tp"}, {"X-Forwarded-Proto": "<"}, {"User-Agent": "<é>"}])
def test_odd_headers_without_credentials_get_401(deployment: Deployment, header: dict[str, str]):
    assert post_as_it_is(deployment, "", None, header) == 401


def post_as_it_is(deployment: Deployment, query: str, authorization: str | None, more: dict | None = None) -> int:
    """Posts a webhook to a URL that clients would escape. Returns the status."""
    url = urlsplit(deployment.webhook_url)
    headers = {"Content-Type": "application/json"} | (more or {})
    if authorization is not None:
        headers["Authorization"] = authorization
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
    with contextlib.closing(connection):
        connection.request("POST", f"{url.path}?{query}", json.dumps(harmless()), headers)
        return connection.getresponse().status


def test_only_listed_sources_are_accepted_even_with_the_token(deployment: Deployment):
    for sources, status in [("203.0.113.7", 403), ("203.0.113.0/24,::1", 403), ("203.0.113.7,127.0.0.0/8", 202)]:
        with deployment.environment("WebhookFunctionName", "ALLOWED_SOURCE_IPS", sources):
            answer = deployment.post(harmless())
            assert answer.status_code == status, sources
            assert status == 202 or answer.content == b""


def test_an_unknown_type_is_accepted_and_recorded_as_unknown(deployment: Deployment):
    body = harmless()
    assert deployment.post(body).status_code == 202
    event = deployment.wait_for_outcome(body["link_id"], "unknown")
    assert event["webhook_type"] == body["webhook_type"]


def test_a_webhook_without_a_link_is_accepted_and_recorded(deployment: Deployment):
    body = harmless() | {"webhook_code": f"code_{uuid.uuid4().hex}"}
    del body["link_id"]
    assert deployment.post(body).status_code == 202
    day = time.strftime("UNROUTED#%Y-%m-%d", time.gmtime())
    wait_until(
        lambda: any(item.get("webhook_code") == body["webhook_code"] for item in deployment.items(day).values()),
        "the event to be recorded",
    )


def test_byte_identical_webhooks_are_one_event(deployment: Deployment):
    with deployment.paused_sync():
        body = json.dumps(harmless())
        assert [deployment.post(body).status_code for _ in range(3)] == [202, 202, 202]
        assert deployment.depth() == 1


def harmless(**data: object) -> dict:
    """Returns a webhook of an unknown type, which causes no requests to Belvo."""
    return webhook(new_link_id(), "HOROSCOPES", "new_horoscopes_available", **data)


@contextlib.contextmanager
def refused_connections() -> Iterator[str]:
    """Yields a URL that refuses connections."""
    with contextlib.closing(socket.socket()) as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{reserved.getsockname()[1]}"


@contextlib.contextmanager
def silence() -> Iterator[str]:
    """Yields a URL that accepts connections and never responds."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        held = []
        threading.Thread(target=lambda: hold_connections(server, held), daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        for connection in held:
            connection.close()


def hold_connections(server: socket.socket, held: list[socket.socket]) -> None:
    with contextlib.suppress(OSError):
        while True:
            held.append(server.accept()[0])


@pytest.mark.parametrize("failure", [refused_connections, silence])
@pytest.mark.parametrize("service", ["SQS", "SECRETS_MANAGER"])
def test_a_webhook_that_cannot_be_enqueued_gets_503_within_five_seconds_and_succeeds_later(
    deployment: Deployment, failure: Callable, service: str
):
    body = harmless()
    with failure() as address, deployment.environment("WebhookFunctionName", f"AWS_ENDPOINT_URL_{service}", address):
        for start in ("cold", "warm"):
            sent_at = time.monotonic()
            answer = deployment.post(body)
            assert time.monotonic() - sent_at < BELVO_PATIENCE_SECONDS, start
            assert answer.status_code == 503, start
            assert answer.json()["request_id"], start
            assert answer.json()["errors"], start

    # Belvo sends it again.
    assert deployment.post(body).status_code == 202

"""Invokes the functions with every event of events/ (`sam local invoke`), and checks each response.

Needs Docker. Without it the check is skipped, or fails if REQUIRE_DOCKER is set, as in .ci/run.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import invoke
from stack.console import fail, say
from stack.settings import ROOT

# Status of the webhook function for the events that are not accepted with a 202.
STATUS = {"bad-json": 400, "wrong-credentials": 401, "url-validation": 200}
WITH_REQUEST_ID = (202, 400)
# Expected errors of the request function. The link of the events is a bank's: Belvo may reject the retrieval of invoices and
# employments.
REFUSALS = {"bad-input": "InvalidInput"}
OF_BANKS = ("retrieve-transactions", "refresh-link", "delete-link", "resync", "widget-token", "widget-token-open-finance")


def main() -> None:
    if not has_docker():
        if os.environ.get("REQUIRE_DOCKER"):
            fail("Docker is not available, and REQUIRE_DOCKER is set")
        say("check-events: SKIPPED, `sam local invoke` needs Docker")
        return
    events = sorted(ROOT.glob("events/*/*.json"), key=order)
    failed = 0
    with invoke.functions(quiet=True) as run:
        for event in events:
            answer = run(event)
            is_right = EXPECTED[event.parent.name](event, answer)
            failed += not is_right
            say(f"check-events: {event.relative_to(ROOT)}: {'ok' if is_right else f'WRONG RESPONSE {answer}'}")
    say(f"{len(events) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


def expected_of_webhook(event: Path, answer: dict) -> bool:
    status = STATUS.get(event.stem, 202)
    body = json.loads(answer["body"]) if answer.get("body") else {}
    return answer.get("statusCode") == status and has_right_request_id(event, status, body.get("request_id"))


def has_right_request_id(event: Path, status: int, request_id: str | None) -> bool:
    """Returns `True` if the id is that of the body, also of a truncated one; or any id, if the body has none."""
    if status not in WITH_REQUEST_ID:
        return request_id is None
    belvos = re.search(r'"request_id":\s*"([^"]+)"', json.loads(event.read_text())["body"])
    return request_id == belvos[1] if belvos else bool(request_id)


def is_done(_event: Path, answer: dict) -> bool:
    """Returns `True` if no message returns to the queue: it was applied, or recorded as unknown."""
    return answer == {"batchItemFailures": []}


def is_answered(event: Path, answer: dict) -> bool:
    """Returns `True` if the action was carried out, or failed with the expected error."""
    if event.stem in REFUSALS:
        return answer.get("errorType") == REFUSALS[event.stem]
    may_be_refused = event.stem not in OF_BANKS and answer.get("errorType") == "BelvoRefused"
    return may_be_refused or answer.get("action") == json.loads(event.read_text())["action"]


def is_reconciled(_event: Path, answer: dict) -> bool:
    """Returns `True` if the run read Belvo's list of links."""
    return answer.get("pages") == 1 and "listings" in answer


def order(event: Path) -> tuple[bool, bool, Path]:
    """Sorts requests, which change something at Belvo, to the end; the deletion of the link is the last."""
    return event.parent.name == "request", event.stem == "delete-link", event


EXPECTED = {"webhook": expected_of_webhook, "sync": is_done, "request": is_answered,
            "reconcile": is_reconciled}


def has_docker() -> bool:
    try:
        return subprocess.run(["docker", "info"], capture_output=True, timeout=20, check=False).returncode == 0
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False


if __name__ == "__main__":
    main()

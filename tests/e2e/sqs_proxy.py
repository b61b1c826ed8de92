"""Between a function and SQS: a place where calls get lost, are cut short, or are only half obeyed."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from stack.local_aws import LocalAws

# What becomes of a batch: a function from the entries that were sent to those that SQS gets, and whether the function
# hears of it at all.
Fate = tuple[Callable[[list], list], bool]

# The calls reach SQS, and no answer comes back: as if the function had died behind them.
ANSWER_LOST: Fate = (lambda entries: entries, False)
# SQS takes the first message of a batch alone, and says so.
HALF_TAKEN: Fate = (lambda entries: entries[:1], True)


@contextlib.contextmanager
def between(aws: LocalAws, fate: Fate) -> Iterator[str]:
    """The address to give a function in place of SQS. What is handed on is signed anew: a signature covers host and body."""
    over = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(aws.client("sqs"), fate, over))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        over.set()
        server.shutdown()
        server.server_close()


def _handler(sqs: Any, fate: Fate, over: threading.Event) -> type[BaseHTTPRequestHandler]:
    obeyed, is_answered = fate

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:  # noqa: N802
            call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            entries = call["Entries"]
            taken = obeyed(entries)
            answer = sqs.send_message_batch(QueueUrl=call["QueueUrl"], Entries=taken)
            if not is_answered:
                over.wait()
                return
            body = {"Successful": answer.get("Successful", []), "Failed": answer.get("Failed", [])}
            body["Failed"] += [
                {"Id": entry["Id"], "Code": "InternalError", "SenderFault": False}
                for entry in entries
                if entry not in taken
            ]
            text = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Nothing: pytest's output is for failures."""

    return Handler

"""A proxy between a function and SQS that drops calls or responses, or forwards only part of a batch."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from stack.local_aws import LocalAws

# What happens to a batch: a function from the sent entries to those that SQS receives, and whether the function gets a
# response.
Fate = tuple[Callable[[list], list], bool]

# The calls reach SQS, but the responses are lost.
ANSWER_LOST: Fate = (lambda entries: entries, False)
# SQS accepts only the first message of a batch, and reports it.
HALF_TAKEN: Fate = (lambda entries: entries[:1], True)


@contextlib.contextmanager
def between(aws: LocalAws, fate: Fate) -> Iterator[str]:
    """Yields the proxy's URL. The proxy signs forwarded calls again, because a signature covers host and body."""
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
            """Suppresses the request log."""

    return Handler

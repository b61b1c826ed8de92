"""One implementation on a stage of its own: a function, and what of AWS it calls."""

import json
import urllib.parse
from decimal import Decimal
from types import TracebackType
from typing import Any

from belvo import SECRET, Belvo
from environment import TABLE, Environment, Server
from implementations import TARGET, Implementation
from webhook import TOKEN

TIMEOUT_MS = 60_000


class Stage:
    """Ends with its `with` block, and everything that was started on it."""

    def __init__(self, implementation: Implementation, belvo: Belvo | None = None) -> None:
        self.implementation, self.belvo = implementation, belvo
        self.environment: Environment | None = None
        self.aws = Server([TARGET / "release/stand-ins", "--listen", "127.0.0.1:0", "--table", TABLE, "--whole-items"])
        self.put_secret("webhook", {"token": TOKEN})
        self.put_secret("belvo", SECRET)

    def __enter__(self) -> "Stage":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.aws.end()

    def put_secret(self, name: str, secret: dict[str, str]) -> None:
        self.aws.call("PUT", f"/_secrets/{name}", json.dumps(secret).encode())

    def start(self, function: str, implementation: Implementation | None = None, **more: str) -> None:
        """A fresh execution environment in the place of the one before; of another implementation, if one is named."""
        self.stop()
        launch = (implementation or self.implementation).launch(function)
        variables = {
            "BELVO_BASE_URL": self.belvo.url if self.belvo else "http://127.0.0.1:9",
            "BELVO_REQUESTS_PER_30S": "100000",
            "SYNC_MAX_CONCURRENCY": "1",
            **launch.variables,
            **more,
        }
        self.environment = Environment(function, launch.command, self.aws, variables)

    def stop(self) -> None:
        if self.environment is not None:
            self.environment.end()

    def invoke(self, event: Any) -> Any:
        """What the function answers."""
        answer = self.environment.invoke(event, TIMEOUT_MS)
        assert answer["outcome"] == "response", f"{answer}\n" + "\n".join(self.lines()[-20:])
        return answer["payload"]

    def lines(self) -> list[str]:
        """What was written to the log since this was last asked."""
        return self.environment.take_log().splitlines()

    def take_messages(self) -> list[dict[str, Any]]:
        """What came into the queue, without what is another each time. Parts may be sent side by side."""
        messages = sorted(self.aws.call("DELETE", "/_queue"), key=lambda message: message["deduplication_id"])
        for message in messages:
            del message["message_id"]
            body = message["body"] = exact(message["body"])
            assert isinstance(body.pop("received_at"), int)
        return messages

    def items(self, partition: str, prefix: str = "") -> dict[str, dict[str, Any]]:
        """Items of the table by their sort keys. Of each attribute the type is gone at its top level only."""
        query = urllib.parse.urlencode({"pk": partition, "prefix": prefix})
        return {item["sk"]: item for item in self.aws.call("GET", f"/_table/item?{query}")}

    def link_items(self, link: str, prefix: str = "") -> dict[str, dict[str, Any]]:
        return self.items(f"LINK#{link}", prefix)

    def take_calls(self) -> dict[str, int]:
        """The calls to AWS since this was last asked."""
        calls = self.aws.call("GET", "/_stats")["calls"]
        self.aws.call("DELETE", "/_stats")
        return calls


def exact(text: str) -> Any:
    """JSON whose numbers are exact."""
    return json.loads(text, parse_float=Decimal)

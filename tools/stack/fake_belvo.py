"""fake-belvo: the process, and its control interface under /_control/."""

import decimal
import json
import secrets
from dataclasses import dataclass
from typing import Any

import requests

from stack.processes import Process
from stack.settings import Settings

START_SECONDS = 30


@dataclass(frozen=True)
class BelvoKey:
    """What logs in at this Belvo; made up here, so that no two machines have the same."""

    secret_id: str
    secret_password: str

    @classmethod
    def load_or_create(cls, settings: Settings) -> "BelvoKey":
        # Kept between runs: the stack's parameters stay the same, so a second `up` has nothing to deploy.
        file = settings.belvo_key_file
        if not file.is_file():
            file.touch(mode=0o600)
            file.write_text(json.dumps({"secret_id": secrets.token_hex(16), "secret_password": secrets.token_hex(24)}))
        return cls(**json.loads(file.read_text()))


class FakeBelvo:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.process = Process("fake-belvo", settings.state_dir)
        self.control = Control(settings.belvo_url)

    def start(self, key: BelvoKey) -> None:
        binary = self._settings.cargo_target_dir / "debug" / "fake-belvo"
        environment = {
            "FAKE_BELVO_LISTEN": f"{self._settings.host}:{self._settings.belvo_port}",
            # Not as arguments, which everybody on the machine can read.
            "FAKE_BELVO_SECRET_ID": key.secret_id,
            "FAKE_BELVO_SECRET_PASSWORD": key.secret_password,
        }
        self.process.start([binary], environment)
        self.process.wait_until(self.control.answers, START_SECONDS)


class Control:
    """Makes things happen at Belvo."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._api = f"{url}/api/"
        self._url = f"{url}/_control"

    def answers(self) -> bool:
        """Whether there is a Belvo; that it asks for a password is an answer, too."""
        try:
            return requests.get(self._api, timeout=2).status_code in (200, 401)
        except requests.RequestException:
            return False

    def set_webhook(self, url: str, authorization: str, retry_interval_ms: int) -> None:
        body = {"url": url, "authorization": authorization, "retry_interval_ms": retry_interval_ms}
        self._call("PUT", "webhook", body)

    def configure(self, **settings: Any) -> None:
        """What new links hold, how long they take to load ...; see testing/fake-belvo/README.md."""
        self._call("PUT", "settings", settings)

    def create_link(self, **properties: Any) -> str:
        """A link with accounts and transactions; nothing is announced yet."""
        return self._call("POST", "links", properties)["link_id"]

    def links(self) -> list[dict]:
        """The contents of each link."""
        return self._call("GET", "links")

    def set_status(self, link_id: str, status: str) -> None:
        """What Belvo finds when it logs in: valid, invalid, token_required or unconfirmed."""
        self._call("PUT", f"links/{link_id}/status", {"status": status})

    def delete_link(self, link_id: str) -> None:
        """The link and all of its data are gone; nothing is announced."""
        self._call("DELETE", f"links/{link_id}")

    def announce(self, link_id: str, webhook_type: str, webhook_code: str, keep_status: bool = False) -> None:
        """Sends the webhook, again and again until it is acknowledged. The link's status may lag behind it."""
        body = {"type": webhook_type, "code": webhook_code, "keep_status": keep_status}
        self._call("POST", f"links/{link_id}/announce", body)

    def set_link_members(self, link_id: str, **members: Any) -> None:
        """Serves the link with these members in place of its own; none ends it."""
        self._call("PUT", f"links/{link_id}/members", members)

    def set_members(self, link_id: str, resource: str, object_id: str, *variants: dict) -> None:
        """The same of one object; embedded copies of it take turns among several variants."""
        self._call("PUT", f"links/{link_id}/{resource}/{object_id}/members", list(variants))

    def change_transactions(self, link_id: str, **changes: Any) -> Any:
        return self._call("POST", f"links/{link_id}/transactions", changes)

    def change(self, link_id: str, resource: str, **changes: Any) -> Any:
        """The same of another resource."""
        return self._call("POST", f"links/{link_id}/{resource}", changes)

    def refresh_now(self, link_id: str, **changes: Any) -> Any:
        """What a scheduled refresh of a recurrent link brings: new, changed and deleted objects, each announced."""
        return self._call("POST", f"links/{link_id}/refresh_now", changes or None)

    def truth(self, link_id: str, resource: str) -> list[dict]:
        """What Belvo would list, whole."""
        answer = self._request("GET", f"links/{link_id}/truth?resource={resource}")
        return [parse(line) for line in answer.text.splitlines()]

    def deliveries(self) -> list[dict]:
        """The webhooks that were sent, and how they were answered."""
        return self._call("GET", "deliveries")

    def requests_about(self, link_id: str) -> list[dict]:
        """What Belvo was asked about a link, of the last thousand requests: method, path, query, status."""
        return [request for request in self._call("GET", "requests")["recent"] if link_id in request["query"]]

    def set_faults(self, *rules: dict) -> None:
        self._call("POST", "faults", list(rules))

    def clear_faults(self) -> None:
        self._call("DELETE", "faults")

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        text = self._request(method, path, body).text
        return parse(text) if text else None

    def _request(self, method: str, path: str, body: Any = None) -> requests.Response:
        answer = requests.request(method, f"{self._url}/{path}", json=body, timeout=30)
        if not answer.ok:
            raise RuntimeError(f"fake-belvo: {method} {path} was answered {answer.status_code}: {answer.text}")
        return answer


def parse(text: str) -> Any:
    """JSON with its numbers exactly as they are written: amounts are compared digit by digit."""
    return json.loads(text, parse_float=decimal.Decimal, parse_int=decimal.Decimal)

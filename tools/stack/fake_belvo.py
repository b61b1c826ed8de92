"""Starts fake-belvo, and calls its control interface under /_control/."""

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
    """The API key of this fake Belvo server. Random, so that each machine has another one."""

    secret_id: str
    secret_password: str

    @classmethod
    def load_or_create(cls, settings: Settings) -> "BelvoKey":
        # Stored between runs: the stack's parameters stay the same, so a second `up` deploys nothing.
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
            # Not as arguments, which all users of the machine can read.
            "FAKE_BELVO_SECRET_ID": key.secret_id,
            "FAKE_BELVO_SECRET_PASSWORD": key.secret_password,
        }
        self.process.start([binary], environment)
        self.process.wait_until(self.control.answers, START_SECONDS)


class Control:
    """The control interface: changes what fake-belvo has and does."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._api = f"{url}/api/"
        self._url = f"{url}/_control"

    def answers(self) -> bool:
        """Returns `True` if fake-belvo responds, also with a 401."""
        try:
            return requests.get(self._api, timeout=2).status_code in (200, 401)
        except requests.RequestException:
            return False

    def set_webhook(self, url: str, authorization: str, retry_interval_ms: int) -> None:
        body = {"url": url, "authorization": authorization, "retry_interval_ms": retry_interval_ms}
        self._call("PUT", "webhook", body)

    def configure(self, **settings: Any) -> None:
        """Sets what new links contain, how long they load and the like; see testing/fake-belvo/README.md."""
        self._call("PUT", "settings", settings)

    def create_link(self, **properties: Any) -> str:
        """Creates a link with accounts and transactions, without webhooks."""
        return self._call("POST", "links", properties)["link_id"]

    def links(self) -> list[dict]:
        """Returns the contents of each link."""
        return self._call("GET", "links")

    def set_status(self, link_id: str, status: str) -> None:
        """Sets the result of the next login: valid, invalid, token_required or unconfirmed."""
        self._call("PUT", f"links/{link_id}/status", {"status": status})

    def delete_link(self, link_id: str) -> None:
        """Deletes the link and its data, without a webhook."""
        self._call("DELETE", f"links/{link_id}")

    def announce(self, link_id: str, webhook_type: str, webhook_code: str, keep_status: bool = False) -> None:
        """Sends the webhook until it is acknowledged. With `keep_status` the link's status does not change."""
        body = {"type": webhook_type, "code": webhook_code, "keep_status": keep_status}
        self._call("POST", f"links/{link_id}/announce", body)

    def set_link_members(self, link_id: str, **members: Any) -> None:
        """Serves the link with these members in place of its own. Without members: as it is."""
        self._call("PUT", f"links/{link_id}/members", members)

    def set_members(self, link_id: str, resource: str, object_id: str, *variants: dict) -> None:
        """Serves an object with these members. Embedded copies of it alternate between several variants."""
        self._call("PUT", f"links/{link_id}/{resource}/{object_id}/members", list(variants))

    def change_transactions(self, link_id: str, **changes: Any) -> Any:
        return self._call("POST", f"links/{link_id}/transactions", changes)

    def change(self, link_id: str, resource: str, **changes: Any) -> Any:
        """Changes objects of any resource."""
        return self._call("POST", f"links/{link_id}/{resource}", changes)

    def refresh_now(self, link_id: str, **changes: Any) -> Any:
        """Runs a refresh of a recurrent link: new, changed and deleted objects, each with its webhook."""
        return self._call("POST", f"links/{link_id}/refresh_now", changes or None)

    def truth(self, link_id: str, resource: str) -> list[dict]:
        """Returns the whole list that Belvo would return."""
        answer = self._request("GET", f"links/{link_id}/truth?resource={resource}")
        return [parse(line) for line in answer.text.splitlines()]

    def deliveries(self) -> list[dict]:
        """Returns the webhooks that were sent, with the responses."""
        return self._call("GET", "deliveries")

    def requests_about(self, link_id: str) -> list[dict]:
        """Returns the requests about a link among the last thousand: method, path, query, status."""
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
            raise RuntimeError(f"fake-belvo: {method} {path} returned {answer.status_code}: {answer.text}")
        return answer


def parse(text: str) -> Any:
    """Parses JSON with exact numbers: tests compare amounts digit by digit."""
    return json.loads(text, parse_float=decimal.Decimal, parse_int=decimal.Decimal)

"""Belvo's lists, page by page."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import exact
import urllib3

PAGE_SIZE = 1_000


class BelvoFailed(Exception):
    """Belvo did not give what was asked for. `kind` is a word for logs and the table; nothing of the answer is in it."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


@dataclass(slots=True)
class Page:
    count: int
    has_next: bool
    objects: list[Any]


class Belvo:
    """One for the life of an execution environment: it keeps connections."""

    def __init__(self, base_url: str, credentials: str) -> None:
        secret = json.loads(credentials)
        login = f"{secret['secret_id']}:{secret['secret_password']}"
        self._base = base_url
        self._http = urllib3.PoolManager(
            maxsize=8,
            headers=urllib3.make_headers(basic_auth=login, user_agent="belvo-peer/1"),
            timeout=urllib3.Timeout(connect=3, read=25),
            retries=urllib3.Retry(
                total=2, redirect=0, backoff_factor=0.15, status_forcelist=[500, 502, 503, 504], raise_on_status=False
            ),
        )

    def transactions(self, link: str, page: int) -> Page:
        query = urlencode({"link": link, "page_size": PAGE_SIZE, "page": page})
        return self._page(f"{self._base}/api/transactions/?{query}")

    def _page(self, url: str) -> Page:
        try:
            response = self._http.request("GET", url)
        except urllib3.exceptions.TimeoutError:
            raise BelvoFailed("belvo_timeout") from None
        except urllib3.exceptions.HTTPError:
            raise BelvoFailed("belvo_unreachable") from None
        if response.status != 200:
            raise BelvoFailed(_kind(response.status))
        try:
            body = exact.loads(response.data)
            page = Page(body["count"], body["next"] is not None, body["results"])
        except (ValueError, KeyError, TypeError):
            raise BelvoFailed("belvo_malformed") from None
        # Pages are asked for by their number; a next page elsewhere means that this is not the Belvo that we know.
        if page.has_next and urlsplit(urljoin(url, body["next"]))[:2] != urlsplit(url)[:2]:
            raise BelvoFailed("belvo_malformed")
        return page


def _kind(status: int) -> str:
    if status == 401:
        return "belvo_401"
    if status in (403, 429):
        return "belvo_rate_limited"
    return "belvo_unavailable" if status >= 500 else "belvo_refused"

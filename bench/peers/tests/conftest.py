"""Each peer is compared with ours, which is the standard. A peer that was not built is skipped, and pytest says so."""

import os

import pytest
from implementations import OURS, PEERS, Implementation

# Names of peers that have to be there: a check that skips all of them would pass.
REQUIRED = os.environ.get("BENCH_PEERS", "").split()


@pytest.fixture(scope="session", params=PEERS, ids=lambda peer: peer.name)
def peer(request: pytest.FixtureRequest) -> Implementation:
    return request.param


@pytest.fixture(scope="session")
def ours() -> Implementation:
    return OURS


def require(implementation: Implementation, function: str) -> None:
    """Skips the test when the implementation was not built, unless it has to be there."""
    if missing := implementation.missing(function):
        message = f"{missing} is missing: {implementation.hint}"
        pytest.fail(message) if implementation.name in [*REQUIRED, "ours"] else pytest.skip(message)

"""No valid value of a parameter can lose a message, and the functions accept every valid value."""

import re

import pytest
from template import ROOT, read

TEMPLATE = read()
PARAMETERS = TEMPLATE["Parameters"]
QUEUE = TEMPLATE["Resources"]["Queue"]["Properties"]
HOUR, DAY = 3_600, 24 * 3_600
# SQS hides a message for at most 12 hours after it was received.
LONGEST_VISIBILITY = 12 * HOUR


def limits(parameter: str) -> tuple[int, int]:
    return PARAMETERS[parameter]["MinValue"], PARAMETERS[parameter]["MaxValue"]


def test_all_attempts_of_a_message_take_less_than_a_week():
    """SQS keeps a message for 14 days. A week is left for waiting behind other messages of the link."""
    (_, attempts), (_, longest_wait) = limits("MaxReceiveCount"), limits("RetryCapSeconds")
    # After a crash the message returns after the queue's visibility timeout.
    between = max(longest_wait, QUEUE["VisibilityTimeout"])
    invocation = TEMPLATE["Resources"]["SyncFunction"]["Properties"]["Timeout"]
    assert attempts * (between + invocation) < 7 * DAY
    assert QUEUE["MessageRetentionPeriod"] == 14 * DAY


def test_no_backoff_is_longer_than_sqs_allows():
    _, longest_wait = limits("RetryCapSeconds")
    # A message was received at most one visibility timeout ago; otherwise it would have returned.
    assert longest_wait <= LONGEST_VISIBILITY - QUEUE["VisibilityTimeout"]
    assert limits("RetryBaseSeconds")[1] <= longest_wait


def test_every_number_has_both_limits():
    numbers = {name for name, each in PARAMETERS.items() if each["Type"] == "Number" and "AllowedValues" not in each}
    assert {name for name in numbers if not {"MinValue", "MaxValue"} <= PARAMETERS[name].keys()} == set()


# The constant with the limits of the environment variable.
IN_CODE = {
    "RetryBaseSeconds": ("functions/sync/src/backoff.rs", "BASE_SECONDS"),
    "RetryCapSeconds": ("functions/sync/src/backoff.rs", "CAP_SECONDS"),
    "BelvoRequestsPer30s": ("functions/sync/src/lib.rs", "REQUEST_RATES"),
    "SyncMaxConcurrency": ("functions/sync/src/lib.rs", "CONCURRENCY"),
    "SecretGraceHours": ("functions/webhook/src/authenticator.rs", "GRACE_HOURS"),
}


@pytest.mark.parametrize("parameter", IN_CODE)
def test_the_limits_in_the_code_and_in_the_template_agree(parameter: str):
    path, constant = IN_CODE[parameter]
    found = re.search(rf"\b{constant}: RangeInclusive<u\d+> = ([\d_]+)..=([\d_]+);", (ROOT / path).read_text())
    assert found, f"{path} has no {constant}"
    smallest, largest = (int(each.replace("_", "")) for each in found.groups())
    accepted_smallest, accepted_largest = limits(parameter)
    assert smallest <= accepted_smallest and largest == accepted_largest


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        ("", True),
        ("3.130.254.46,18.220.61.186,18.223.45.212", True),
        ("192.0.2.0/24,198.51.100.7/32,0.0.0.0/0", True),
        ("2001:db8::/32,::1,::ffff:192.0.2.1,2001:db8::7/128", True),
        ("192.0.2.0/33", False),
        ("192.0.2.256", False),
        ("192.0.2", False),
        ("010.0.2.1", False),
        ("2001:db8::/129", False),
        ("192.0.2.1,", False),
        ("192.0.2.1, 192.0.2.2", False),
        ("192.0.2.1/", False),
        ("abc", False),
    ],
)
def test_only_addresses_that_the_webhook_function_can_parse_are_valid(value: str, accepted: bool):
    assert bool(re.fullmatch(PARAMETERS["AllowedSourceIps"]["AllowedPattern"], value)) == accepted


@pytest.mark.parametrize(
    ("parameter", "refused"),
    [("RetryCapSeconds", 43_200), ("MaxReceiveCount", 1_000), ("BelvoRequestsPer30s", 4_294_967_296)],
)
def test_values_that_lose_messages_or_prevent_a_start_are_rejected(parameter: str, refused: int):
    smallest, largest = limits(parameter)
    assert not smallest <= refused <= largest

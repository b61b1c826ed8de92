"""The SQS FIFO queue between the two functions."""

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from message import Message

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MAX_BATCH_MESSAGES = 10
MAX_BATCH_BYTES = 250 * 1024
CONCURRENT_CALLS = 4


class NotTaken(Exception):
    """SQS did not take every message. Sending all of them again is safe: each has its deduplication id."""


class Queue:
    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client, self._url = client, url

    def send(self, messages: list[Message]) -> None:
        batches = list(_batches(messages))
        if len(batches) == 1:
            return self._send(batches[0])
        with ThreadPoolExecutor(CONCURRENT_CALLS) as pool:
            list(pool.map(self._send, batches))

    def _send(self, batch: list[tuple[int, Message]]) -> None:
        entries = [
            {
                "Id": str(number), "MessageBody": message.body, "MessageGroupId": message.group,
                "MessageDeduplicationId": message.key,
            }
            for number, message in batch
        ]
        try:
            answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
        except Exception as error:
            raise NotTaken(f"the call to SQS failed: {type(error).__name__}") from error
        if failed := answer.get("Failed"):
            raise NotTaken(f"SQS refused {len(failed)} of the messages")


def _batches(messages: list[Message]):
    """As few calls as SQS's limits allow, in the given order."""
    batch: list[tuple[int, Message]] = []
    room = MAX_BATCH_BYTES
    for number, message in enumerate(messages):
        size = len(message.body)
        if batch and (len(batch) == MAX_BATCH_MESSAGES or size > room):
            yield batch
            batch, room = [], MAX_BATCH_BYTES
        batch.append((number, message))
        room -= size
    yield batch

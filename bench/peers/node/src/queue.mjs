/** The FIFO queue between the two functions. */

import { SendMessageBatchCommand } from "@aws-sdk/client-sqs";

const MAX_BATCH_MESSAGES = 10;
const MAX_BATCH_BYTES = 250 * 1024;
const CONCURRENT_CALLS = 4;

/** Sends all messages. Throws unless SQS took every one. */
export const sendAll = async (client, queueUrl, messages) => {
  const send = async (Entries) => {
    const { Failed = [] } = await client.send(new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries }));
    if (Failed.length) throw new Error("SQS refused some of the messages");
  };
  const waiting = batchesOf(messages).values();
  const sender = async () => {
    for (const batch of waiting) await send(batch);
  };
  await Promise.all(Array.from({ length: CONCURRENT_CALLS }, sender));
};

/** As few calls as SQS's limits allow, in the given order. */
const batchesOf = (messages) => {
  const batches = [];
  let bytes = Infinity;
  for (const [index, { key, group, body }] of messages.entries()) {
    const entry = { Id: String(index), MessageBody: body, MessageGroupId: group, MessageDeduplicationId: key };
    if (bytes + body.length > MAX_BATCH_BYTES || batches.at(-1).length === MAX_BATCH_MESSAGES) {
      batches.push([]);
      bytes = 0;
    }
    batches.at(-1).push(entry);
    bytes += body.length;
  }
  return batches;
};

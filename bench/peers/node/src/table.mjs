/** The DynamoDB table: records under the stamps of their link's clock. */

import {
  BatchGetItemCommand, ConditionalCheckFailedException, DynamoDBClient, GetItemCommand, PutItemCommand, QueryCommand,
  TransactionCanceledException, TransactWriteItemsCommand, UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { tuned } from "./aws.mjs";
import { dayOf } from "./record.mjs";

const KEYS_PER_READ = 100;
const READ_ATTEMPTS = 6;
const CLOCK_ATTEMPTS = 5;
/** Tombstones and events are kept for 90 days. */
const KEPT_SECONDS = 90 * 24 * 60 * 60;
const UPSERT = "attribute_not_exists(pk) OR (attribute_not_exists(deleted_at) AND fetched_at <= :s)";

/** As many connections as there are writes under way, and some. */
const AGENT = { keepAlive: true, maxSockets: 100 };

export const s = (text) => ({ S: text });
export const n = (number) => ({ N: String(number) });
export const numberOf = (attribute) => (attribute?.N === undefined ? undefined : Number(attribute.N));
export const expiresAt = (now) => Math.floor(now / 1_000) + KEPT_SECONDS;

const linkKey = (link) => ({ pk: s(`LINK#${link}`), sk: s("LINK") });
const stateKey = (link, resource) => ({ pk: s(`LINK#${link}`), sk: s(`SYNC#${resource}`) });
const recordKey = (link, resource, id) => ({ pk: s(`LINK#${link}`), sk: s(`${resource}#${id}`) });
const idOf = (item, resource) => item.sk.S.slice(resource.length + 1);

/** A SET and REMOVE of attributes; each `x` is written `#x`, and its new value `:x`. */
export const expressionOf = ({ set = {}, setIfAbsent = {}, remove = [] }) => {
  const sets = [
    ...Object.keys(set).map((name) => `#${name} = :${name}`),
    ...Object.keys(setIfAbsent).map((name) => `#${name} = if_not_exists(#${name}, :${name})`),
  ];
  const values = Object.entries({ ...set, ...setIfAbsent });
  const removes = remove.map((name) => `#${name}`).join(", ");
  return {
    UpdateExpression: [sets.length && `SET ${sets.join(", ")}`, removes && `REMOVE ${removes}`].filter(Boolean).join(" "),
    ExpressionAttributeNames: Object.fromEntries([...values.map(([name]) => name), ...remove].map((name) => [`#${name}`, name])),
    ExpressionAttributeValues: Object.fromEntries(values.map(([name, value]) => [`:${name}`, value])),
  };
};

/** Sends a command whose condition may refuse it; then there is `refused`, the item that stands there. */
export const unlessRefused = async (sent) => {
  try {
    return await sent;
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return { refused: error.Item ?? {} };
    throw error;
  }
};

export class Table {
  constructor(name) {
    this.name = name;
    // A link is one partition, which throttles what is too much: that is waited out.
    this.client = tuned(DynamoDBClient, { maxAttempts: 8, requestHandler: { httpAgent: AGENT, httpsAgent: AGENT } });
  }

  #send(Command, input) {
    return this.client.send(new Command({ TableName: this.name, ...input }));
  }

  update(key, change) {
    return this.#send(UpdateItemCommand, { Key: key, ...change });
  }

  /** What earlier passes over a resource left behind. */
  async syncState(link, resource) {
    const { Item } = await this.#send(GetItemCommand, { Key: stateKey(link, resource), ConsistentRead: true });
    return stateOf(Item);
  }

  /** Notes why the last pass over a resource did not end. */
  noteFailure(link, resource, failure) {
    return this.update(stateKey(link, resource), expressionOf({ set: { last_error: s(failure) } }));
  }

  /** Takes the next stamp of the link's clock, and notes that a pass looks at Belvo from now on. */
  async beginPass(link, resource, webhookAt, now) {
    const stamp = await this.#takeStamp(link, webhookAt, now);
    const { Attributes, refused } = await unlessRefused(
      this.update(stateKey(link, resource), {
        UpdateExpression: "SET last_pass_at = :s",
        ConditionExpression: "attribute_not_exists(last_pass_at) OR last_pass_at <= :s",
        ExpressionAttributeValues: { ":s": n(stamp) },
        ReturnValues: "ALL_OLD",
      }),
    );
    if (refused) throw new Contended();
    return { link, resource, stamp, beganAt: now, before: stateOf(Attributes) };
  }

  async #takeStamp(link, webhookAt, now) {
    const heard = webhookAt === undefined ? {} : { last_event_at: n(webhookAt) };
    let stamp = now;
    for (let attempt = 0; attempt < CLOCK_ATTEMPTS; attempt++) {
      const change = expressionOf({ set: { ...heard, clock: n(stamp) }, setIfAbsent: { status: s("active") } });
      Object.assign(change.ExpressionAttributeValues, { ":s": n(stamp), ":erased": s("erased"), ":deleted": s("deleted") });
      const { refused } = await unlessRefused(
        this.update(linkKey(link), {
          ...change,
          ConditionExpression:
            "(attribute_not_exists(clock) OR clock < :s) AND (attribute_not_exists(#status) OR NOT #status IN (:erased, :deleted))",
          ReturnValuesOnConditionCheckFailure: "ALL_OLD",
        }),
      );
      if (!refused) return stamp;
      if (["erased", "deleted"].includes(refused.status?.S)) throw new Error("the link is no more");
      stamp = Math.max(now, numberOf(refused.clock) + 1);
    }
    throw new Contended();
  }

  /** Stops a pass that has been overtaken. */
  async fence(pass) {
    const Key = linkKey(pass.link);
    const { Item } = await this.#send(GetItemCommand, { Key, ConsistentRead: true, ProjectionExpression: "clock" });
    if (numberOf(Item?.clock) !== pass.stamp) throw new Overtaken();
  }

  /** What stands in the places of these objects; those that were never seen are absent. */
  async known(link, resource, ids) {
    const known = new Map();
    const distinct = [...new Set(ids)];
    const reads = [];
    for (let begin = 0; begin < distinct.length; begin += KEYS_PER_READ) {
      const keys = distinct.slice(begin, begin + KEYS_PER_READ).map((id) => recordKey(link, resource, id));
      reads.push(this.#readAll(keys));
    }
    for (const item of (await Promise.all(reads)).flat()) known.set(idOf(item, resource), item);
    return known;
  }

  /** One BatchGetItem, and what it left over again: under load DynamoDB answers a part only. */
  async #readAll(keys) {
    const items = [];
    let left = keys;
    for (let attempt = 0; left?.length; attempt++) {
      if (attempt === READ_ATTEMPTS) throw new Error("keys stayed unprocessed");
      if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, 25 * 2 ** (attempt - 1)));
      const request = {
        Keys: left,
        ConsistentRead: true,
        ProjectionExpression: "sk, content_hash, missing_since, #data.collected_at",
        ExpressionAttributeNames: { "#data": "data" },
      };
      const output = await this.client.send(new BatchGetItemCommand({ RequestItems: { [this.name]: request } }));
      items.push(...(output.Responses?.[this.name] ?? []));
      left = output.UnprocessedKeys?.[this.name]?.Keys;
    }
    return items;
  }

  /** Stores a record as a pass saw it: `written`, `stale` where something newer stands, `buried` below a tombstone. */
  async upsert(pass, resource, record) {
    const { refused } = await unlessRefused(
      this.#send(PutItemCommand, {
        Item: itemOf(pass, resource, record),
        ConditionExpression: UPSERT,
        ExpressionAttributeValues: { ":s": n(pass.stamp) },
        ReturnValuesOnConditionCheckFailure: "ALL_OLD",
      }),
    );
    if (!refused) return "written";
    return refused.deleted_at ? "buried" : "stale";
  }

  /** Some ids of live records that are not marked as missing, and the key behind which there may be more. */
  async liveIds(link, resource, after) {
    const { Items, LastEvaluatedKey } = await this.#send(QueryCommand, {
      ConsistentRead: true,
      ExclusiveStartKey: after,
      KeyConditionExpression: "pk = :pk AND begins_with(sk, :prefix)",
      ProjectionExpression: "sk, deleted_at, missing_since",
      ExpressionAttributeValues: { ":pk": s(`LINK#${link}`), ":prefix": s(`${resource}#`) },
    });
    const live = Items.filter((item) => !item.deleted_at && !item.missing_since);
    return { ids: live.map((item) => idOf(item, resource)), rest: LastEvaluatedKey };
  }

  /** Marks a record that a whole listing lacks, unless somebody has seen or deleted the object since. */
  async markMissing(pass, id, now) {
    await unlessRefused(
      this.update(recordKey(pass.link, pass.resource, id), {
        UpdateExpression: "SET missing_since = :now",
        ConditionExpression: "attribute_exists(pk) AND attribute_not_exists(deleted_at) AND fetched_at <= :s",
        ExpressionAttributeValues: { ":now": n(now), ":s": n(pass.stamp) },
      }),
    );
  }

  /** Ends a pass and its event in one transaction, on the condition that no other pass has begun. */
  async finish(pass, state, event, counts, now) {
    const linkChange = expressionOf({ set: { last_synced_at: n(now) } });
    linkChange.ExpressionAttributeValues[":s"] = n(pass.stamp);
    const ended = Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, n(count)]));
    const updates = [
      { Key: linkKey(pass.link), ...linkChange, ConditionExpression: "clock = :s" },
      { Key: stateKey(pass.link, pass.resource), ...expressionOf(state) },
      { Key: event, ...expressionOf({ set: { outcome: s("applied"), ...ended }, remove: ["reason"] }) },
    ];
    const TransactItems = updates.map((update) => ({ Update: { TableName: this.name, ...update } }));
    try {
      await this.client.send(new TransactWriteItemsCommand({ TransactItems }));
    } catch (error) {
      const isOvertaken = error instanceof TransactionCanceledException
        && error.CancellationReasons?.[0]?.Code === "ConditionalCheckFailed";
      throw isOvertaken ? new Overtaken() : error;
    }
  }
}

/** Another pass over the link has begun. */
export class Overtaken extends Error {
  name = "Overtaken";
}

/** Others moved the link's clock each time. */
export class Contended extends Error {
  name = "Contended";
}

const stateOf = (item = {}) => ({
  watermark: item.watermark?.S,
  lastPassAt: numberOf(item.last_pass_at),
  listingBeganAt: numberOf(item.listing_began_at),
  drifts: numberOf(item.drifts) ?? 0,
});

const itemOf = (pass, resource, { id, account, object, data, asText, contentHash }) => {
  const item = {
    ...recordKey(pass.link, resource, id),
    fetched_at: n(pass.stamp),
    content_hash: s(contentHash),
    data,
  };
  if (account) {
    item.account_id = s(account.id);
    item.gsi1pk = s(`ACCOUNT#${account.id}`);
    item.gsi1sk = s(`${dayOf(object.value_date) ?? "0000-00-00"}#${id}`);
  }
  if (asText.length) item.as_text = { L: asText.map(s) };
  return item;
};

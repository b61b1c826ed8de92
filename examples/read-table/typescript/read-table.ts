#!/usr/bin/env node
// Reads records from belvo-sync's table. ../README.md has examples.

import { parseArgs } from "node:util";

import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, paginateQuery, type QueryCommandInput } from "@aws-sdk/lib-dynamodb";

type Row = Record<string, unknown>;

const USAGE = `usage: read-table links EXTERNAL_ID
       read-table accounts LINK_ID
       read-table transactions ACCOUNT_ID [--from YYYY-MM-DD] [--to YYYY-MM-DD]`;

async function main(): Promise<void> {
  for await (const row of readTable(process.argv.slice(2))) {
    console.log(JSON.stringify(row, sorted));
  }
}

async function* links(externalId: string): AsyncGenerator<Row> {
  const items = query({
    IndexName: "gsi1",
    KeyConditionExpression: "gsi1pk = :user",
    ExpressionAttributeValues: { ":user": `EXTERNAL#${externalId}` },
  });
  for await (const item of items) {
    yield {
      external_id: item.external_id,
      institution: item.institution ?? null,
      last_synced_at: item.last_synced_at ?? null,
      link_id: item.pk.slice("LINK#".length),
      status: item.status,
    };
  }
}

async function* accounts(linkId: string): AsyncGenerator<Row> {
  const items = query({
    KeyConditionExpression: "pk = :link AND begins_with(sk, :accounts)",
    ExpressionAttributeValues: { ":link": `LINK#${linkId}`, ":accounts": "ACCOUNTS#" },
  });
  for await (const item of items) yield item.data;
}

// Returns transactions, ordered by day. Their sort key is `<day>#<id>`, and `~` sorts after every character of a key.
// Transactions without a day have `0000-00-00`.
async function* transactions(accountId: string, from = "0000-00-00", to = "9999-12-31"): AsyncGenerator<Row> {
  const items = query({
    IndexName: "gsi1",
    KeyConditionExpression: "gsi1pk = :account AND gsi1sk BETWEEN :from AND :to",
    ExpressionAttributeValues: { ":account": `ACCOUNT#${accountId}`, ":from": from, ":to": `${to}~` },
  });
  for await (const item of items) yield item.data;
}

// Returns all items of all pages, without the tombstones of deleted objects.
async function* query(input: Omit<QueryCommandInput, "TableName">) {
  const TableName = process.env.TABLE_NAME;
  if (!TableName) throw new Error("TABLE_NAME is not set");
  const client = DynamoDBDocumentClient.from(new DynamoDBClient(), {
    // Numbers stay text with all digits. A float would round amounts.
    unmarshallOptions: { wrapNumbers: String },
  });
  const pages = paginateQuery(
    { client },
    { ...input, TableName, FilterExpression: "attribute_not_exists(deleted_at)" },
  );
  for await (const page of pages) yield* page.Items ?? [];
}

function readTable(args: string[]): AsyncGenerator<Row> {
  const { command, id, from, to } = parseArguments(args);
  const dated = from !== undefined || to !== undefined;
  if (command === "links" && !dated) return links(id);
  if (command === "accounts" && !dated) return accounts(id);
  if (command === "transactions" && [from, to].every(isDay)) return transactions(id, from, to);
  return failWithUsage();
}

function parseArguments(args: string[]) {
  try {
    const day = { type: "string" } as const;
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { from: day, to: day } });
    const [command, id, ...more] = positionals;
    return id === undefined || more.length > 0 ? failWithUsage() : { command, id, ...values };
  } catch {
    return failWithUsage();
  }
}

function isDay(text: string | undefined): boolean {
  return text === undefined || new Date(text).toJSON()?.slice(0, 10) === text;
}

function failWithUsage(): never {
  console.error(USAGE);
  process.exit(2);
}

function sorted(_name: string, value: unknown): unknown {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value;
}

await main();

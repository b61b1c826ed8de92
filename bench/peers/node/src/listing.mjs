/** Reading a whole list, page by page, and writing what it holds: four pages at once, sixteen writes of each. */

import { forEach } from "./pool.mjs";
import { momentOf, Tally } from "./tally.mjs";
import { readRecord } from "./record.mjs";

const PATH = "/api/transactions/";
const PAGE_SIZE = 1_000;
const MAX_PAGES = 10_000;
const PAGES_AT_ONCE = 4;
const WRITES_AT_ONCE = 16;
const RELISTINGS = 2;

/** Reads the list; again from the beginning, in a pass of its own, when it moved meanwhile. */
export const readList = async ({ belvo, table, attempt }, link, resource, announced, webhookAt) => {
  for (let relistings = 0; ; relistings++) {
    const pass = await table.beginPass(link, resource, webhookAt, Date.now());
    const tally = new Tally(announced);
    const mayBeginAnew = relistings < RELISTINGS;
    // On a first load nothing stands in the table: the question what does is not worth its price.
    const compares = pass.before.lastPassAt !== undefined || attempt > 1;
    await readPages({ belvo, table, pass, tally, compares, mayBeginAnew });
    if (!tally.moved || !mayBeginAnew) return { pass, tally };
  }
};

const readPages = async (reader) => {
  const { tally, mayBeginAnew } = reader;
  const first = await readPage(reader, 1);
  const last = Math.max(1, Math.ceil(first.count / PAGE_SIZE));
  if (last > MAX_PAGES) throw new Error("the list has more pages than are read");
  noticeMove(tally, first, 1, last);
  const numbers = function* () {
    for (let number = 2; number <= last && !(mayBeginAnew && tally.isMoving); number++) yield number;
  };
  await forEach(numbers(), PAGES_AT_ONCE, async (number) => noticeMove(tally, await readPage(reader, number), number, last));
};

/** A page behind the last one means that the list became longer, and an early last one that it became shorter. */
const noticeMove = (tally, page, number, last) => {
  if (!page || page.hasNext !== number < last) tally.noteMove();
};

const readPage = async (reader, number) => {
  const { belvo, pass, tally } = reader;
  const page = await belvo.page(PATH, pass.link, PAGE_SIZE, number);
  if (!page) return undefined;
  tally.page(page.count);
  await writeObjects(reader, page.objects);
  return { count: page.count, hasNext: page.hasNext };
};

const writeObjects = async ({ table, pass, tally, compares }, objects) => {
  const records = [];
  for (const object of objects) {
    const record = readRecord(object, true);
    if (record) {
      tally.note(record);
      records.push(record);
    } else {
      tally.counts.unreadable += 1;
    }
  }
  const ids = records.map(({ id }) => id);
  const known = compares ? await table.known(pass.link, pass.resource, ids) : new Map();
  await table.fence(pass);
  const changed = records.filter((record) => !isUnchanged(known.get(record.id), record));
  tally.counts.unchanged += records.length - changed.length;
  await forEach(changed, WRITES_AT_ONCE, async (record) => tally.stored(await table.upsert(pass, pass.resource, record)));
};

const isUnchanged = (known, record) =>
  known !== undefined && !known.missing_since && known.content_hash?.S === record.contentHash;

/** Marks what a whole listing lacks. */
export const markMissing = async (table, pass, tally) => {
  let after;
  do {
    const { ids, rest } = await table.liveIds(pass.link, pass.resource, after);
    const missing = ids.filter((id) => !tally.seen.has(id));
    if (missing.length) await table.fence(pass);
    await forEach(missing, WRITES_AT_ONCE, (id) => table.markMissing(pass, id, Date.now()));
    after = rest;
  } while (after);
};

/** Stores the embedded accounts that are newer than what is stored. */
export const storeAccounts = async (table, pass, { accounts, counts }) => {
  if (accounts.size === 0) return;
  const known = await table.known(pass.link, "ACCOUNTS", [...accounts.keys()]);
  await table.fence(pass);
  for (const [id, account] of accounts) {
    const record = readRecord(account, false);
    const stored = known.get(id);
    const storedAt = momentOf({ collected_at: stored?.data?.M?.collected_at?.S });
    if (stored && (isUnchanged(stored, record) || storedAt >= momentOf(account))) {
      counts.unchanged += 1;
    } else if ((await table.upsert(pass, "ACCOUNTS", record)) === "written") {
      counts.written += 1;
    } else {
      counts.stale += 1;
    }
  }
};

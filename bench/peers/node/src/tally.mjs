/** What a listing found, and whether to believe it. */

import { dayOf } from "./record.mjs";
import { digitsOf } from "./json.mjs";

/** What a webhook says that will be found. */
export const announcedIn = (data) => {
  const named = (test) => Object.entries(data).find(([name]) => test(name))?.[1];
  const day = (prefix) => wholeDay(named((name) => name.startsWith(prefix) && name.endsWith("_date")));
  const [first, last] = [day("first_"), day("last_")];
  return {
    total: countOf(data.total_transactions),
    inflows: countOf(named((name) => name.startsWith("total_inflow_"))),
    outflows: countOf(named((name) => name.startsWith("total_outflow_"))),
    days: first && last ? { first, last } : undefined,
  };
};

const countOf = (value) => {
  const digits = digitsOf(value);
  return digits !== undefined && /^\d+$/.test(digits) ? Number(digits) : undefined;
};
const wholeDay = (text) => (text?.length === 10 ? dayOf(text) : undefined);

export class Tally {
  counts = { pages: 0, written: 0, unchanged: 0, stale: 0, deleted: 0, unreadable: 0 };
  /** The ids that were listed. */
  seen = new Set();
  /** The copy of each embedded account that was collected last. */
  accounts = new Map();
  matching = 0;
  flows = { INFLOW: 0, OUTFLOW: 0 };
  hasTombstones = false;
  #announced;
  #listed;
  #hasMoved = false;

  constructor(announced) {
    this.#announced = announced;
  }

  /** A page came. Another count than that of the first page means that the list moved. */
  page(count) {
    this.counts.pages += 1;
    this.#listed ??= count;
    this.#hasMoved ||= this.#listed !== count;
  }

  noteMove() {
    this.#hasMoved = true;
  }

  /** A record was found. One that stands on several pages counts once. */
  note({ id, account, object }) {
    if (account) this.#noteAccount(account);
    if (this.seen.has(id)) return;
    this.seen.add(id);
    const { days } = this.#announced;
    if (days) {
      const day = dayOf(object.value_date);
      if (day === undefined || day < days.first || day > days.last) return;
    }
    this.matching += 1;
    if (object.type in this.flows) this.flows[object.type] += 1;
  }

  #noteAccount(account) {
    const kept = this.accounts.get(account.id);
    if (kept && kept.collected_at === account.collected_at) return;
    if (!kept || momentOf(kept) < momentOf(account)) this.accounts.set(account.id, account);
  }

  stored(upsert) {
    if (upsert === "buried") this.hasTombstones = true;
    else this.counts[upsert] += 1;
  }

  get isMoving() {
    return this.#hasMoved;
  }

  /** Of a list that was read to its end: did it move meanwhile? */
  get moved() {
    return this.#hasMoved || this.seen.size + this.counts.unreadable < (this.#listed ?? 0);
  }

  get check() {
    const { total, inflows, outflows } = this.#announced;
    const isFewer = (announced, found) => announced !== undefined && found < announced;
    const isMissing = isFewer(total, this.matching) || isFewer(inflows, this.flows.INFLOW)
      || isFewer(outflows, this.flows.OUTFLOW);
    if (this.moved || this.hasTombstones || this.counts.unreadable > 0 || isMissing) return "drift";
    return (total ?? inflows ?? outflows) === undefined ? "unverified" : "verified";
  }
}

/** When Belvo collected an object, in microseconds. */
export const momentOf = ({ collected_at: text }) => {
  const moment = typeof text === "string" ? Date.parse(text) : NaN;
  if (Number.isNaN(moment)) return -Infinity;
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? "";
  return moment * 1_000 + Number(fraction.slice(3, 6).padEnd(3, "0"));
};

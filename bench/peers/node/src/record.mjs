/** One Belvo object, ready for the table. */

import { createHash } from "node:crypto";
import { Digits, jsonOf } from "./json.mjs";
import { canonical, canonicalOf } from "./number.mjs";
import { isId } from "./webhook-body.mjs";

/** Members that change without the object changing: they are not in the hash. */
const VOLATILE = new Set(["collected_at", "created_at", "last_accessed_at"]);
/** The document itself is the first of 32 levels, and a value in the innermost container the last. */
const MAX_CONTAINER_LEVELS = 31;
/** What stands before a value in the canonical form, and behind a container. */
const TAG = Object.fromEntries(
  Object.entries({
    key: "k", text: "s", number: "n", null: "z", true: "t", false: "f", list: "[", endOfList: "]", map: "{", endOfMap: "}",
  }).map(([name, tag]) => [name, tag.charCodeAt(0)]),
);

/** Writes the canonical form of an object, which is what is hashed, into a buffer that all records share. */
class Canonical {
  #bytes = Buffer.allocUnsafe(64 * 1024);
  #end = 0;

  begin() {
    this.#end = 0;
  }

  byte(value) {
    if (this.#end === this.#bytes.length) this.#grow(1);
    this.#bytes[this.#end++] = value;
  }

  /** The text's length in eight bytes, and the text. */
  text(value) {
    const most = 8 + 3 * value.length;
    if (this.#end + most > this.#bytes.length) this.#grow(most);
    const length = this.#bytes.write(value, this.#end + 8);
    this.#bytes.writeUInt32BE(0, this.#end);
    this.#bytes.writeUInt32BE(length, this.#end + 4);
    this.#end += 8 + length;
  }

  bare(value) {
    if (this.#end + 3 * value.length > this.#bytes.length) this.#grow(3 * value.length);
    this.#end += this.#bytes.write(value, this.#end);
  }

  digest() {
    return createHash("sha256").update(this.#bytes.subarray(0, this.#end)).digest("hex");
  }

  #grow(least) {
    const larger = Buffer.allocUnsafe(2 * this.#bytes.length + least);
    this.#bytes.copy(larger, 0, 0, this.#end);
    this.#bytes = larger;
  }
}

const form = new Canonical();

/** Where in an object the reader stands, and the paths to what DynamoDB cannot hold as what it is. */
class Place {
  #kept = [];
  #names = [];

  within(name, isHashed, value) {
    this.#names.push(name);
    const converted = attribute(value, this, isHashed);
    this.#names.pop();
    return converted;
  }

  /** Would a container here be deeper than DynamoDB allows? The object itself is level 1. */
  get isTooDeep() {
    return this.#names.length + 1 > MAX_CONTAINER_LEVELS;
  }

  /** Keeps a value as its JSON. */
  keepAsText(json, isHashed) {
    this.#kept.push([...this.#names]);
    return text(json, isHashed);
  }

  /** The paths to what was kept as text, in the order of the object that was read. */
  asText(object) {
    if (this.#kept.length > 1) {
      const paths = this.#kept.map((names) => ({ names, places: placesOf(object, names) }));
      this.#kept = paths.sort((one, other) => compare(one.places, other.places)).map(({ names }) => names);
    }
    return this.#kept.map((names) => names.map((name) => String(name).replace(/[.\\]/g, "\\$&")).join("."));
  }
}

/** As which member of its container each name on a path stands. */
const placesOf = (object, names) => {
  let value = object;
  return names.map((name) => {
    const place = Array.isArray(value) ? name : Object.keys(value).indexOf(name);
    value = value[name];
    return place;
  });
};

const compare = (one, other) => {
  const differs = one.findIndex((place, index) => place !== other[index]);
  return one[differs] - other[differs];
};

/** The same value as an attribute of DynamoDB's. Writes the canonical form on the way, unless the value is not hashed. */
const attribute = (value, place, isHashed) => {
  switch (typeof value) {
    case "string":
      return value.isWellFormed() ? text(value, isHashed) : place.keepAsText(jsonOf(value), isHashed);
    case "number":
      return number(canonicalOf(value), isHashed);
    case "boolean":
      if (isHashed) form.byte(TAG[value]);
      return { BOOL: value };
    default:
      if (value === null) {
        if (isHashed) form.byte(TAG.null);
        return { NULL: true };
      }
      if (value instanceof Digits) {
        const digits = canonical(value.text);
        return digits === undefined ? place.keepAsText(value.text, isHashed) : number(digits, isHashed);
      }
      return container(value, place, isHashed);
  }
};

const text = (value, isHashed) => {
  if (isHashed) {
    form.byte(TAG.text);
    form.text(value);
  }
  return { S: value };
};

const number = (digits, isHashed) => {
  if (isHashed) {
    form.byte(TAG.number);
    form.text(digits);
  }
  return { N: digits };
};

const container = (value, place, isHashed) => {
  const names = Array.isArray(value) ? undefined : namesOf(value);
  if (place.isTooDeep || names?.includes(UNUSABLE)) return place.keepAsText(jsonOf(value), isHashed);
  return names ? map(value, names, place, isHashed) : list(value, place, isHashed);
};

const list = (items, place, isHashed) => {
  if (isHashed) form.byte(TAG.list);
  const L = items.map((item, index) => place.within(index, isHashed, item));
  if (isHashed) form.byte(TAG.endOfList);
  return { L };
};

const map = (members, names, place, isHashed) => {
  if (isHashed) form.byte(TAG.map);
  const M = {};
  for (const name of names) {
    const isMemberHashed = isHashed && !VOLATILE.has(name);
    if (isMemberHashed) {
      form.byte(TAG.key);
      form.text(name);
    }
    M[name] = place.within(name, isMemberHashed, members[name]);
  }
  if (isHashed) form.byte(TAG.endOfMap);
  return { M };
};

/** Belvo's names, as far as they were met: letters that sort by their bytes. */
const plainNames = new Set();
const UNUSABLE = Symbol("a name that no attribute can have");

const isPlain = (name) => {
  if (plainNames.has(name)) return true;
  if (!/^[ -~]{1,1024}$/.test(name)) return false;
  if (plainNames.size < 10_000) plainNames.add(name);
  return true;
};

/** The names of an object's members, in the order of their bytes. */
const namesOf = (object) => {
  const names = Object.keys(object);
  if (names.every(isPlain)) return names.sort();
  const usable = names.map((name) => {
    const bytes = Buffer.byteLength(name);
    return bytes > 0 && bytes <= 1024 && name.isWellFormed() ? name : UNUSABLE;
  });
  return usable.includes(UNUSABLE) ? usable : names.sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
};

/**
 * Reads an object, and the account that it embeds (`embedsAccount`): that is a record of its own. Gives none when there is
 * no id that it could be stored under.
 */
export const readRecord = (object, embedsAccount) => {
  if (!isObject(object) || !isId(object.id)) return undefined;
  const names = namesOf(object);
  if (names.includes(UNUSABLE)) return undefined;
  const account = embedsAccount && isObject(object.account) && isId(object.account.id) ? object.account : undefined;
  const data = {};
  const place = new Place();
  form.begin();
  form.bare(account?.id ?? "");
  form.byte(0);
  for (const name of names) {
    if (account && name === "account") continue;
    const isHashed = !VOLATILE.has(name);
    if (isHashed) form.text(name);
    data[name] = place.within(name, isHashed, object[name]);
  }
  return { id: object.id, account, object, data: { M: data }, asText: place.asText(object), contentHash: form.digest() };
};

/** The members of an object as attributes, not hashed. */
export const attributesOf = (object) => {
  const place = new Place();
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, place.within(name, false, value)]));
};

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

const realDays = new Map();

/** The day with which a text begins; none when that is no day. */
export const dayOf = (text) => {
  const day = typeof text === "string" ? text.slice(0, 10) : "";
  let isReal = realDays.get(day);
  if (isReal === undefined) {
    isReal = /^\d{4}-\d\d-\d\d$/.test(day) && isCalendarDay(day);
    if (realDays.size < 10_000) realDays.set(day, isReal);
  }
  return isReal ? day : undefined;
};

const isCalendarDay = (day) => {
  const time = Date.parse(`${day}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(day);
};

/** JSON whose numbers keep their digits. */

import { parse, stringify } from "lossless-json";

/** Where a number may stand that has more than fifteen digits, or an exponent. In a text too: that does no harm. */
const LONG_NUMBER = /[:[,]\s*-?(?:\d[\d.]{15}|[\d.]+[eE])/;

/** A number as it was sent. */
export class Digits {
  constructor(text) {
    this.text = text;
  }
}

/**
 * Reads JSON. A decimal number of at most fifteen digits comes out of JavaScript's own numbers as it went in, so the quick
 * parser of the language reads what has no longer ones.
 */
export const parseExact = (text) =>
  LONG_NUMBER.test(text) ? parse(text, undefined, (digits) => new Digits(digits)) : JSON.parse(text);

const WRITTEN_DIGITS = [{ test: (value) => value instanceof Digits, stringify: ({ text }) => text }];

/** What was read, as JSON again. */
export const jsonOf = (value) => stringify(value, undefined, undefined, WRITTEN_DIGITS);

/** The digits of a number that was read so; none of anything else. */
export const digitsOf = (value) => {
  if (typeof value === "number") return String(value);
  return value instanceof Digits ? value.text : undefined;
};

/** Numbers in the spelling that ours stores: the digits that were sent, without zeros that mean nothing. */

const MAX_DIGITS = 38;
/** The power of ten of the first digit: as far as boto3 reads a number back that DynamoDB writes out. */
const [MIN_MAGNITUDE, MAX_MAGNITUDE] = [-128, 37];
const MAX_PLAIN_ZEROS = 20;

/** The same of a number of JavaScript's that came from at most fifteen digits: it mostly spells itself so. */
export const canonicalOf = (number) => {
  const text = String(number);
  return text.includes("e") ? canonical(text) : text;
};

/**
 * The spelling of a JSON number that stands for its value; none when DynamoDB could not keep every digit of it, or boto3
 * could not read it.
 */
export const canonical = (json) => {
  const [, sign, whole, fraction = "", exponent = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(json);
  const all = whole + fraction;
  const significant = all.replace(/0+$/, "");
  const digits = significant.replace(/^0+/, "");
  if (digits === "") return "0";
  // The value is `digits` x 10^`scale`, and its first digit stands at 10^`magnitude`.
  const scale = Number(exponent) - fraction.length + (all.length - significant.length);
  const magnitude = scale + digits.length - 1;
  if (digits.length > MAX_DIGITS || magnitude < MIN_MAGNITUDE || magnitude > MAX_MAGNITUDE) return undefined;
  const point = digits.length + scale;
  if (scale > MAX_PLAIN_ZEROS || point < -MAX_PLAIN_ZEROS) return `${sign}${digits}E${scale}`;
  if (scale >= 0) return sign + digits + "0".repeat(scale);
  if (point > 0) return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
  return `${sign}0.${"0".repeat(-point)}${digits}`;
};

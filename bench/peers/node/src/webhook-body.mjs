/** What Belvo posts, and what is wrong with it. */

const MAX_WORD_BYTES = 256;
const ID = /^[A-Za-z0-9_-]{1,128}$/;
const NOT_AN_OBJECT = { code: "parse_error", message: "The body is not a JSON object." };

/** Is it an id of Belvo's? They are opaque, and not always UUIDs. */
export const isId = (value) => typeof value === "string" && ID.test(value);

/** An id that may be written with dashes and in capitals, in its one spelling; none when it is no id. */
export const requestId = (value) => {
  if (!isId(value)) return undefined;
  return value.replaceAll("-", "").toLowerCase() || undefined;
};

/** A text of 1 to 256 bytes; otherwise none. */
export const shortText = (value) =>
  typeof value === "string" && value !== "" && Buffer.byteLength(value) <= MAX_WORD_BYTES ? value : undefined;

/** The webhook that a body holds, or the errors in it and the request id that could be read all the same. */
export const parseWebhook = (body) => {
  let members;
  try {
    members = JSON.parse(body);
  } catch {
    const found = /"request_id"\s*:\s*"([A-Za-z0-9_-]{1,128})"/.exec(body)?.[1];
    return { requestId: requestId(found) && found, errors: [NOT_AN_OBJECT] };
  }
  if (members === null || typeof members !== "object" || Array.isArray(members)) return { errors: [NOT_AN_OBJECT] };
  // Belvo's direct debit calls type and code differently.
  const named = (name, ofDirectDebit) => members[name in members ? name : ofDirectDebit];
  const type = named("webhook_type", "eventType");
  const code = named("webhook_code", "eventCode");
  const linkId = members.link_id ?? undefined;
  const errors = [];
  checkWord(errors, "webhook_type", type);
  checkWord(errors, "webhook_code", code);
  if (linkId !== undefined && !isId(linkId)) {
    errors.push(invalid("link_id", "This field must be 1 to 128 characters of A-Z, a-z, 0-9, _ and -."));
  }
  const id = requestId(members.request_id) && members.request_id;
  return errors.length ? { requestId: id, errors } : { requestId: id, type, code, linkId, members, errors };
};

const invalid = (field, message) => ({ code: "invalid", message, field });

const checkWord = (errors, field, value) => {
  if (value === undefined || value === null) {
    errors.push({ code: "required", message: "This field is required.", field });
  } else if (!shortText(value)) {
    errors.push(invalid(field, "This field must be text of 1 to 256 bytes."));
  }
};

/** Why a message goes back to the queue, as one word for logs, metrics and the table. */

import { BelvoError, SecretUnavailable } from "./belvo.mjs";
import { Contended, Overtaken } from "./table.mjs";

const OF_STATUS = {
  401: "belvo_unauthorized", 403: "belvo_refused_by_edge", 404: "belvo_not_found", 408: "belvo_timed_out",
  428: "belvo_link_refused", 429: "belvo_rate_limited",
};

export const failureOf = (error) => {
  if (error instanceof BelvoError) {
    const { status } = error;
    return status >= 500 ? "belvo_unavailable" : (OF_STATUS[status] ?? "belvo_refused");
  }
  if (error instanceof SecretUnavailable) return "secret";
  if (error instanceof Overtaken) return "overtaken";
  if (error instanceof Contended || error.$metadata) return "store";
  if (error.name === "TimeoutError") return "belvo_timed_out";
  return error instanceof TypeError && error.message === "fetch failed" ? "belvo_unreachable" : "undecodable";
};

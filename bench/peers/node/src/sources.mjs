/** The optional second lock: where requests may come from. */

import { BlockList, isIP } from "node:net";

const familyOf = (address) => (isIP(address) === 6 ? "ipv6" : "ipv4");

/** Reads `3.130.254.46,18.220.61.0/24`. Gives the question whether an address may pass; none on the list means any. */
export const allowedSources = (list = "") => {
  const texts = list.split(",").map((text) => text.trim()).filter(Boolean);
  const networks = new BlockList();
  for (const text of texts) {
    const [address, prefix] = text.split("/");
    if (prefix === undefined) networks.addAddress(address, familyOf(address));
    else networks.addSubnet(address, Number(prefix), familyOf(address));
  }
  return (source = "") => texts.length === 0 || (isIP(source) !== 0 && networks.check(source, familyOf(source)));
};

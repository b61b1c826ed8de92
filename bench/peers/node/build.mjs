/**
 * Makes what a deployment of the Node.js peer carries, one file for each function, under .local/bench/node/:
 *
 *     node bench/peers/node/build.mjs
 */

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const deployments = join(here, "../../../.local/bench/node");

/**
 * Where credentials may come from outside of Lambda, where they are in the environment. They are only imported when they are
 * not; leaving them out makes a third of each file.
 */
const OTHER_CREDENTIALS = [
  "@aws-sdk/nested-clients/*",
  "@aws-sdk/token-providers",
  ...["http", "ini", "login", "process", "sso", "web-identity"].map((name) => `@aws-sdk/credential-provider-${name}`),
  "@smithy/credential-provider-imds",
];

for (const name of ["webhook", "sync"]) {
  await build({
    entryPoints: [join(here, "src", `${name}.mjs`)],
    outfile: join(deployments, name, "index.cjs"),
    bundle: true,
    minify: true,
    platform: "node",
    target: "node20",
    // Starts some milliseconds sooner than a module.
    format: "cjs",
    external: OTHER_CREDENTIALS,
    // The packages' modules, from which can be left out what nobody uses.
    mainFields: ["module", "main"],
    legalComments: "none",
    logLevel: "warning",
  });
}

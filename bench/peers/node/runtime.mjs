/**
 * A Lambda runtime client: asks the runtime API for events and hands over what the handler answers. `LAMBDA_TASK_ROOT`
 * and `_HANDLER` say where that is, as in Lambda.
 *
 * It stands for AWS's own, which wants a compiler to be installed. It does less: one connection, no streaming, no
 * rewriting of the console.
 */

import http from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";

const [host, port = "80"] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

/** One request. There is no limit to how long an event may be waited for. */
const call = (method, path, body) =>
  new Promise((settle, fail) => {
    const headers = body === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const request = http.request({ host, port, method, path: `/2018-06-01/runtime/${path}`, agent, headers }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => settle({ headers: response.headers, body: Buffer.concat(chunks).toString() }));
      response.on("error", fail);
    });
    request.on("error", fail);
    request.end(body);
  });

const described = (error) =>
  JSON.stringify({ errorType: error?.name ?? "Error", errorMessage: error?.message ?? String(error), trace: [] });

const contextOf = (headers) => {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  return {
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  };
};

let handler;
try {
  const [file, name] = process.env._HANDLER.split(".");
  handler = createRequire(import.meta.url)(join(process.env.LAMBDA_TASK_ROOT, `${file}.cjs`))[name];
} catch (error) {
  console.error(error);
  await call("POST", "init/error", described(error));
  process.exit(1);
}

for (;;) {
  const { headers, body } = await call("GET", "invocation/next");
  const id = headers["lambda-runtime-aws-request-id"];
  try {
    const answer = await handler(JSON.parse(body), contextOf(headers));
    await call("POST", `invocation/${id}/response`, JSON.stringify(answer) ?? "null");
  } catch (error) {
    console.error(error);
    await call("POST", `invocation/${id}/error`, described(error));
  }
}

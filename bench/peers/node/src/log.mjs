/** The log and the metrics of both functions, with Powertools. */

import { Logger } from "@aws-lambda-powertools/logger";
import { Metrics } from "@aws-lambda-powertools/metrics";

const stack = process.env.STACK_NAME || "none";

/** Writes one line for each webhook or message. */
export const loggerOf = (target) => new Logger({ serviceName: target, persistentKeys: { target, stack } });

/** Writes what was counted as a line in CloudWatch's embedded metric format. */
export const metricsOf = (target) => {
  const metrics = new Metrics({ namespace: "belvo-sync", serviceName: target });
  // By default there is a dimension for the service; ours is the stack.
  metrics.clearDefaultDimensions();
  metrics.setDefaultDimensions({ stack });
  return metrics;
};

/** A setting that the function cannot start without. */
export const required = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`the environment variable ${name} is not set`);
  return value;
};

/** What to say of a failed call: the error's name. Texts may repeat keys and values. */
export const causeOf = (error) => (error instanceof Error ? error.name : "an error without a name");

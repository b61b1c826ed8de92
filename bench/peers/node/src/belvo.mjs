/** Asks Belvo. */

import { GetSecretValueCommand } from "@aws-sdk/client-secrets-manager";
import { digitsOf, parseExact } from "./json.mjs";

const ANSWER_LIMIT_MS = 25_000;
const CLASSES = { 401: "belvo_401", 404: "belvo_404", 408: "belvo_timeout", 429: "belvo_429" };

/** An answer that is not what was asked for. */
export class BelvoError extends Error {
  name = "BelvoError";

  constructor(status) {
    super(`Belvo answered ${status}`);
    this.status = status;
  }
}

/** The credentials cannot be read. */
export class SecretUnavailable extends Error {
  name = "SecretUnavailable";
}

/** One for the life of an execution environment: it keeps connections. */
export class Belvo {
  #authorization;
  #answered = {};

  constructor(baseUrl, secrets, secretId) {
    this.baseUrl = baseUrl;
    this.secrets = secrets;
    this.secretId = secretId;
  }

  /** How Belvo answered the requests since this was last asked. */
  takeAnswered() {
    const answered = this.#answered;
    this.#answered = {};
    return answered;
  }

  /** One page of a list, counted from 1; none behind the last one. */
  async page(path, link, pageSize, number) {
    const query = new URLSearchParams({ link, page_size: pageSize, page: number });
    const authorization = await this.#authorized();
    const response = await this.#get(new URL(`${path}?${query}`, this.baseUrl), authorization);
    this.#note(CLASSES[response.status] ?? `belvo_${Math.floor(response.status / 100)}xx`);
    // There may be a newer key.
    if (response.status === 401) this.#authorization = undefined;
    if (response.status === 404 && number > 1) return undefined;
    if (response.status !== 200) throw new BelvoError(response.status);
    const { count, next, results } = parseExact(await response.text());
    if (next !== null && new URL(next, this.baseUrl).origin !== new URL(this.baseUrl).origin) {
      throw new Error("the next page is not on Belvo");
    }
    return { count: Number(digitsOf(count)), hasNext: next !== null, objects: results };
  }

  async #get(url, authorization) {
    try {
      return await fetch(url, { headers: { authorization }, redirect: "manual", signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
    } catch (error) {
      this.#note(error.name === "TimeoutError" ? "belvo_timeout" : "belvo_unreachable");
      throw error;
    }
  }

  #note(answerClass) {
    this.#answered[answerClass] = (this.#answered[answerClass] ?? 0) + 1;
  }

  /** Pages that begin side by side read the secret once. */
  #authorized() {
    this.#authorization ??= this.#credentials().catch((error) => {
      this.#authorization = undefined;
      throw new SecretUnavailable(error.name);
    });
    return this.#authorization;
  }

  async #credentials() {
    const { SecretString } = await this.secrets.send(
      new GetSecretValueCommand({ SecretId: this.secretId, VersionStage: "AWSCURRENT" }),
    );
    const { secret_id: id, secret_password: password } = JSON.parse(SecretString);
    return `Basic ${Buffer.from(`${id}:${password}`).toString("base64")}`;
  }
}

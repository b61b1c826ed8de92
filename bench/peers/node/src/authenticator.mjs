/**
 * Who sends this webhook? The `Authorization` header is compared with the secret in constant time, by its digest. The
 * current version of the secret is accepted, and for some hours after a rotation the one before it.
 */

import { createHash, timingSafeEqual } from "node:crypto";
import { GetSecretValueCommand, ResourceNotFoundException } from "@aws-sdk/client-secrets-manager";

const FRESH_MS = 5 * 60_000;
const MISMATCH_REFRESH_MS = 60_000;
const JUST_ROTATED_MS = 60_000;
const HOUR_MS = 60 * 60_000;

/** A header as it is compared: the name of a scheme has no case. */
const asCompared = (header) =>
  header.replace(/^(bearer|basic) /i, (scheme) => (scheme.toLowerCase() === "basic " ? "Basic " : "Bearer "));
const digestOf = (text) => createHash("sha256").update(text).digest();
/** A clock that was set back makes things old, not fresh for ever. */
const isWithin = (then, span, now) => now - then >= 0 && now - then < span;

/** The headers that a version allows, as digests. */
const headerDigests = (text) => {
  // White space that was pasted along is no part of them.
  const [token, username, password] = ["token", "username", "password"].map((name) => {
    const member = JSON.parse(text)[name];
    return typeof member === "string" ? member.trim() : undefined;
  });
  const headers = [];
  if (token) headers.push(`Bearer ${token}`);
  if (typeof username === "string" && password) {
    headers.push(`Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`);
  }
  if (headers.length === 0) throw new Error("the secret does not have the documented form");
  return headers.map(digestOf);
};

/** Compares headers with the secret. One for the life of an execution environment. */
export class Authenticator {
  #known;
  #mismatchRead;

  constructor(client, secretId, graceHours) {
    this.client = client;
    this.secretId = secretId;
    this.graceMs = graceHours * HOUR_MS;
  }

  /** Reads the secret ahead of the first request. A failure is left to that request. */
  async warmUp() {
    try {
      this.#known = await this.#read(Date.now());
    } catch {
      // The first request says so.
    }
  }

  /** Does the header carry the secret? Throws when the secret cannot be read. */
  async isAuthentic(header, now) {
    if (header === undefined) return false;
    const digest = digestOf(asCompared(header));
    const isFresh = this.#known !== undefined && isWithin(this.#known.readAt, FRESH_MS, now);
    if (isFresh) {
      if (this.#allows(digest, now)) return true;
      if (this.#mismatchRead && isWithin(this.#mismatchRead.at, MISMATCH_REFRESH_MS, now)) {
        if (this.#mismatchRead.failed) throw new Error("the secret could not be read a minute ago");
        return false;
      }
      this.#mismatchRead = { at: now, failed: false };
    }
    try {
      this.#known = await this.#read(now);
    } catch (error) {
      if (isFresh) this.#mismatchRead = { at: now, failed: true };
      throw error;
    }
    return this.#allows(digest, now);
  }

  #allows(digest, now) {
    const { current, previous, rotatedAt } = this.#known;
    const allowed = now - rotatedAt < this.graceMs ? [...current, ...previous] : current;
    // Each is compared, also behind a match.
    return allowed.reduce((any, known) => timingSafeEqual(known, digest) || any, false);
  }

  async #read(now) {
    let [current, previous] = await Promise.all([this.#version("AWSCURRENT"), this.#version("AWSPREVIOUS")]);
    if (!current) throw new Error("the secret has no current version");
    if (now - current.createdAt < JUST_ROTATED_MS) previous = await this.#version("AWSPREVIOUS");
    return {
      current: headerDigests(current.text),
      previous: previous ? this.#retired(previous.text) : [],
      rotatedAt: current.createdAt,
      readAt: now,
    };
  }

  /** A retired version that cannot be understood retires at once. */
  #retired(text) {
    try {
      return headerDigests(text);
    } catch {
      return [];
    }
  }

  async #version(stage) {
    const command = new GetSecretValueCommand({ SecretId: this.secretId, VersionStage: stage });
    try {
      const output = await this.client.send(command);
      return { text: output.SecretString, createdAt: output.CreatedDate?.getTime() ?? 0 };
    } catch (error) {
      if (error instanceof ResourceNotFoundException) return undefined;
      throw error;
    }
  }
}

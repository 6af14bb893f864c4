// Signs requests to the carbon platform and checks the signatures of its answers and pushes.
// One file, nothing but Node's standard library (18 or newer, whose OpenSSL knows SM3).
//
//   import { Signer } from "./carbon-sign.mjs";
//   const signer = new Signer("my-app", Buffer.from("...", "hex"));
//   const headers = signer.headers("POST", "/api/v1/Z101", Buffer.from("{}"));
//   signer.answerIsRight(response.status, response.headers, body);
//   signer.pushIsRight("POST", "/push/z203", request.headers, body);
//
// SM2-SM3 is the third type; Node's standard library cannot sign it with the signer's id that it
// needs (1234567812345678). With a library that can, X-Sign is the signature in DER (never r and s
// side by side) in hexadecimal; answers and pushes verify under the platform's keys of
// GET /api/v1/keys. vectors.json has signatures to verify.

import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

const DIGESTS = { "HMAC-SM3": "sm3", "HMAC-SHA256": "sha256" };

/** What is signed of a request or a push. `body` is the very bytes that travel. */
export function requestString(method, pathAndQuery, timestamp, nonce, body) {
  const head = `${method}\n${pathAndQuery}\n${timestamp}\n${nonce}\n`;
  return Buffer.concat([Buffer.from(head), body, Buffer.from("\n")]);
}

/** What is signed of an answer: its status and the request's id stand for method and path. */
export function answerString(status, requestId, timestamp, nonce, body) {
  return requestString(status, requestId, timestamp, nonce, body);
}

/** The signature in hexadecimal. */
export function sign(signType, key, text) {
  return createHmac(DIGESTS[signType], key).update(text).digest("hex");
}

/** One application with its key. */
export class Signer {
  constructor(appId, key, signType = "HMAC-SM3") {
    if (!Object.hasOwn(DIGESTS, signType)) {
      throw new RangeError(`the signature types are ${Object.keys(DIGESTS).join(", ")}`);
    }
    Object.assign(this, { appId, key, signType });
  }

  /** The headers of a request. */
  headers(method, pathAndQuery, body, token) {
    const [timestamp, nonce] = [Date.now(), randomBytes(16).toString("hex")];
    const text = requestString(method, pathAndQuery, timestamp, nonce, body);
    return {
      "content-type": "application/json",
      "x-app-id": this.appId,
      "x-timestamp": String(timestamp),
      "x-nonce": nonce,
      "x-sign-type": this.signType,
      "x-sign": sign(this.signType, this.key, text),
      ...(token && { authorization: `Bearer ${token}` }),
    };
  }

  /** Whether an answer came from the platform, unchanged. */
  answerIsRight(status, headers, body) {
    const h = lower(headers);
    const text = answerString(status, h["x-request-id"], h["x-timestamp"], h["x-nonce"], body);
    return this.#isRight(h, text);
  }

  /** Whether a push (or C101, Q101) came from the platform, unchanged. */
  pushIsRight(method, pathAndQuery, headers, body) {
    const h = lower(headers);
    return this.#isRight(h, requestString(method, pathAndQuery, h["x-timestamp"], h["x-nonce"], body));
  }

  #isRight(headers, text) {
    if (!Object.hasOwn(DIGESTS, headers["x-sign-type"] ?? "")) return false;
    const given = Buffer.from((headers["x-sign"] ?? "").toLowerCase());
    const right = Buffer.from(sign(headers["x-sign-type"], this.key, text));
    return given.length === right.length && timingSafeEqual(given, right);
  }
}

/** Names in lower case, of a plain object or of what fetch gives. */
function lower(headers) {
  const pairs = typeof headers.entries === "function" ? headers.entries() : Object.entries(headers);
  return Object.fromEntries([...pairs].map(([name, value]) => [name.toLowerCase(), value]));
}

/**
 * One attempt to deliver: a POST with a signed body, and what came of it. It has
 * one deadline from the first byte to the last, follows no redirect, reads no more
 * of an answer than it must, and never throws.
 */
import {
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { AddressRefused, isPublicAddress, literalAddress, publicLookup } from "./address-policy.ts";

export type Attempt =
  | { readonly kind: "delivered" }
  /** The receiver answered and did not take it. */
  | { readonly kind: "refused"; readonly error: string }
  /** Nobody answered, or somebody before the receiver did: nothing is known of this event in particular. */
  | { readonly kind: "unreachable"; readonly error: string }
  /** This process wants to stop. */
  | { readonly kind: "stopped" };

export interface Delivery {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Aborted where this process stops. */
  readonly signal: AbortSignal;
}

export interface PosterOptions {
  readonly timeoutMs: number;
  /** Whether addresses of this network, and plain HTTP, may be reached. */
  readonly allowPrivate: boolean;
}

/** Too many requests, and answers of what stands before a receiver that is away. */
const UNREACHABLE_STATUSES = new Set([429, 502, 503, 504]);
const MAX_ANSWER_BYTES = 65_536;
const KEEP_ALIVE_MS = 5_000;

export class Poster {
  readonly #options: PosterOptions;
  readonly #http: HttpAgent;
  readonly #https: HttpsAgent;

  constructor(options: PosterOptions) {
    this.#options = options;
    const agent = {
      keepAlive: true,
      keepAliveMsecs: KEEP_ALIVE_MS,
      maxFreeSockets: 16,
      timeout: options.timeoutMs,
    };
    this.#http = new HttpAgent(agent);
    this.#https = new HttpsAgent(agent);
  }

  async post(delivery: Delivery): Promise<Attempt> {
    const literal = literalAddress(new URL(delivery.url));
    if (!this.#options.allowPrivate && literal !== undefined && !isPublicAddress(literal))
      return { kind: "unreachable", error: describe(new AddressRefused()) };
    const timeout = AbortSignal.timeout(this.#options.timeoutMs);
    for (;;) {
      try {
        const status = await this.#send(delivery, AbortSignal.any([delivery.signal, timeout]));
        if (status >= 200 && status < 300) return { kind: "delivered" };
        const kind = UNREACHABLE_STATUSES.has(status) ? "unreachable" : "refused";
        return { kind, error: `answered ${status}` };
      } catch (error) {
        // A kept connection that the receiver had closed: it never saw the request, so a fresh one is tried.
        if (error instanceof StaleConnection) continue;
        if (delivery.signal.aborted) return { kind: "stopped" };
        if (timeout.aborted)
          return { kind: "unreachable", error: `no answer within ${this.#options.timeoutMs} ms` };
        return { kind: "unreachable", error: describe(error) };
      }
    }
  }

  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  #send({ url, headers, body }: Delivery, signal: AbortSignal): Promise<number> {
    const secure = url.startsWith("https:");
    const options: RequestOptions = {
      method: "POST",
      agent: secure ? this.#https : this.#http,
      signal,
      headers: { ...headers, "Content-Length": Buffer.byteLength(body) },
      ...(this.#options.allowPrivate ? {} : { lookup: publicLookup }),
    };
    return new Promise((resolve, reject) => {
      const sent = (secure ? httpsRequest : httpRequest)(url, options);
      sent.on("response", (answer) => {
        resolve(answer.statusCode ?? 0);
        discard(answer);
      });
      sent.on("error", (error: NodeJS.ErrnoException) =>
        reject(sent.reusedSocket && error.code === "ECONNRESET" ? new StaleConnection() : error),
      );
      sent.end(body);
    });
  }
}

class StaleConnection extends Error {}

/** Read to the end, so that the connection can be used again, unless it is long. */
function discard(answer: IncomingMessage): void {
  let bytes = 0;
  answer.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) answer.destroy();
  });
  answer.on("error", () => {});
}

/** A code and nothing else: messages of the network name hosts, and those of TLS name certificates. */
function describe(error: unknown): string {
  const code = typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
  return /^[A-Z0-9_]{1,64}$/.test(code) ? code : "the connection failed";
}

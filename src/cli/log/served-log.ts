/** The log as a server serves it. Nothing is believed here; it is only read. */
import { FormatError, type Hex, type NoteKey, parseVerifierKey, requireHexList } from "#proof";
import { ledgerHeader, refusalOf } from "../api-client.ts";
import { askServer, isOfAnother, NoAnswer, noAnchorbookAt, textOf } from "../ask-server.ts";
import type { LogOptions } from "./options.ts";

export interface ServedCheckpoint {
  /** A signed note. */
  readonly note: string;
  /** The key that the server says it is signed with. */
  readonly key: NoteKey;
}

export interface ServedInclusion {
  readonly line: string;
  readonly proof: readonly Hex[];
}

export class ServedLog {
  readonly #base: string;
  readonly #headers: Record<string, string>;
  readonly #answerSeconds: number;

  constructor({ api, ledger, answerSeconds }: Pick<LogOptions, "api" | "ledger" | "answerSeconds">) {
    this.#base = api;
    this.#answerSeconds = answerSeconds;
    this.#headers = ledgerHeader(ledger);
  }

  /** Of so many lines, or the newest. */
  async checkpoint(size: number | undefined): Promise<ServedCheckpoint> {
    if (size !== undefined) return readCheckpoint(await this.#get(`/api/v1/log/checkpoints/${size}`));
    const { checkpoint } = await this.#get<{ checkpoint: unknown }>("/api/v1/log");
    if (checkpoint === null) throw new Error("no epoch is closed yet, so the log has no checkpoint");
    return readCheckpoint(checkpoint);
  }

  async inclusion(index: number, size: bigint): Promise<ServedInclusion> {
    const path = `/api/v1/log/inclusion?index=${index}&size=${size}`;
    const { line, proof } = await this.#get<{ line: unknown; proof: unknown }>(path);
    if (typeof line !== "string") throw new FormatError("the server's answer", "has no line");
    return { line, proof: requireHexList(proof, 32, "proof") };
  }

  async consistency(from: bigint, to: bigint): Promise<Hex[]> {
    const path = `/api/v1/log/consistency?from=${from}&to=${to}`;
    const { proof } = await this.#get<{ proof: unknown }>(path);
    return requireHexList(proof, 32, "proof");
  }

  /** @throws Error where the server does not take it */
  async cosign(size: bigint, cosignature: string): Promise<void> {
    await this.#ask(`/api/v1/log/checkpoints/${size}/cosignatures`, {
      method: "POST",
      headers: { ...this.#headers, "content-type": "application/json" },
      body: JSON.stringify({ cosignature }),
    });
  }

  async #get<T>(path: string): Promise<T> {
    return this.#ask(path, { headers: this.#headers });
  }

  async #ask<T>(path: string, init: RequestInit): Promise<T> {
    const { response, pieces } = await askServer(this.#base, path, init, this.#answerSeconds);
    const body = await jsonIn(pieces);
    if (isOfAnother(response, body)) throw new Error(noAnchorbookAt(this.#base, response.status));
    if (response.ok) return body as T;
    throw new Error(refusalOf(response, body).text);
  }
}

/** Undefined where it is none. @throws NoAnswer */
async function jsonIn(pieces: AsyncIterable<Uint8Array>): Promise<unknown> {
  try {
    return JSON.parse(await textOf(pieces));
  } catch (error) {
    if (error instanceof NoAnswer) throw error;
    return undefined;
  }
}

function readCheckpoint(checkpoint: unknown): ServedCheckpoint {
  const { note, verifier_key } = (checkpoint ?? {}) as { note?: unknown; verifier_key?: unknown };
  if (typeof note !== "string" || typeof verifier_key !== "string")
    throw new FormatError("the server's answer", "is no checkpoint");
  return { note, key: parseVerifierKey(verifier_key) };
}

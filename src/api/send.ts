/** What a handler or an error answered, onto the wire. */
import { once } from "node:events";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Request, Response } from "express";
import type { Clock } from "#kernel";
import type { Lifecycle } from "./lifecycle.ts";
import type { ProblemAnswer } from "./problem.ts";
import { EventStream, NdjsonStream, RawContent, Reply } from "./reply.ts";
import { stateOf } from "./request-state.ts";

export interface SendDeps {
  readonly clock: Clock;
  readonly lifecycle: Lifecycle;
}

/** What a stream that has to end may still take to be read. */
const LAST_WORDS_MS = 2_000;
const LONGEST_TIMER_MS = 2_147_483_647;

/** @throws what the first chunk of a stream throws; later errors cut the connection */
export async function sendResult(
  req: Request,
  res: Response,
  result: unknown,
  deps: SendDeps,
): Promise<void> {
  if (result instanceof EventStream) return sendEvents(req, res, result, deps);
  if (result instanceof NdjsonStream) return sendStream(req, res, result);
  if (result instanceof RawContent) {
    res.set(result.headers).status(200);
    return sendBytes(res, result.contentType, result.content);
  }
  const answer = result instanceof Reply ? result : new Reply(result, 200, {}, false);
  const json = JSON.stringify(answer.body);
  if (json === undefined) throw new TypeError("a handler answered nothing");
  if (answer.replayed) res.set("Idempotent-Replayed", "true");
  res.set(answer.headers).status(answer.status);
  sendBytes(res, "application/json; charset=utf-8", json);
}

export function sendProblem(res: Response, problem: ProblemAnswer): void {
  res.set(problem.headers).status(problem.status);
  sendBytes(res, "application/problem+json", JSON.stringify(problem.body));
}

function sendBytes(res: Response, contentType: string, content: string | Uint8Array): void {
  // Not res.type or res.send: Express would add a charset, an ETag and freshness checks.
  res.setHeader("Content-Type", contentType);
  res.setHeader("Content-Length", Buffer.byteLength(content));
  // A string goes out in one write with the headers.
  res.end(content);
}

async function sendStream(req: Request, res: Response, stream: NdjsonStream): Promise<void> {
  const chunks = stream.chunks[Symbol.asyncIterator]();
  const first = await chunks.next();
  res.set(stream.headers).status(200);
  res.setHeader("Content-Type", "application/x-ndjson");
  if (req.method === "HEAD") {
    await chunks.return?.();
    res.end();
    return;
  }
  await pipeline(Readable.from(rest(first, chunks)), res);
  if (!res.closed) await once(res, "close");
}

async function sendEvents(req: Request, res: Response, stream: EventStream, deps: SendDeps): Promise<void> {
  const ended = new AbortController();
  const end = () => ended.abort();
  const { identity } = stateOf(req);
  const leftMs = identity.kind === "principal" ? identity.expiresMs - deps.clock.nowMs() : 0;
  const expiry = setTimeout(end, Math.min(Math.max(leftMs, 0), LONGEST_TIMER_MS));
  const signal = AbortSignal.any([ended.signal, deps.lifecycle.draining]);
  let lastWords: NodeJS.Timeout | undefined;
  // A reader who does not read would keep an ended stream open.
  const cutSoon = () => {
    lastWords = setTimeout(() => res.destroy(), LAST_WORDS_MS);
  };
  signal.addEventListener("abort", cutSoon, { once: true });
  res.once("close", end);
  try {
    const chunks = stream.open(signal)[Symbol.asyncIterator]();
    const first = await chunks.next();
    res.status(200);
    res.setHeader("Content-Type", "text/event-stream; charset=utf-8");
    // For proxies that would otherwise collect the answer before they pass it on.
    res.setHeader("X-Accel-Buffering", "no");
    if (req.method === "HEAD") {
      await chunks.return?.();
      res.end();
      return;
    }
    res.setTimeout(stream.stalledMs, () => res.destroy());
    await pipeline(Readable.from(rest(first, chunks), { highWaterMark: 1 }), res);
    if (!res.closed) await once(res, "close");
  } catch (error) {
    // Leaving is how a reader ends a stream.
    if (!isPrematureClose(error)) throw error;
  } finally {
    clearTimeout(expiry);
    clearTimeout(lastWords);
    signal.removeEventListener("abort", cutSoon);
  }
}

function isPrematureClose(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_STREAM_PREMATURE_CLOSE";
}

async function* rest(
  first: IteratorResult<string | Uint8Array>,
  chunks: AsyncIterator<string | Uint8Array>,
): AsyncGenerator<string | Uint8Array> {
  try {
    for (let item = first; !item.done; item = await chunks.next()) yield item.value;
  } finally {
    // A reader that went away must not leave the source open.
    await chunks.return?.();
  }
}

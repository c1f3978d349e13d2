/**
 * What a handler can answer besides a plain body. Explicit classes, so that no
 * JSON body is ever mistaken for an instruction.
 */
/** The answer of a ledger writer, as far as routes see it. */
export interface Submitted<T> {
  readonly value: T;
  /** True where this is the stored answer of an earlier request with the same idempotency key. */
  readonly replayed: boolean;
}

export class Reply<T> {
  readonly body: T;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly replayed: boolean;

  constructor(body: T, status: number, headers: Readonly<Record<string, string>>, replayed: boolean) {
    this.body = body;
    this.status = status;
    this.headers = headers;
    this.replayed = replayed;
  }
}

/** JSON with another status or with headers. */
export function reply<T>(
  body: T,
  options: { status?: number; headers?: Readonly<Record<string, string>>; replayed?: boolean } = {},
): Reply<T> {
  return new Reply(body, options.status ?? 200, options.headers ?? {}, options.replayed ?? false);
}

/** The answer of a ledger writer: a replay is marked `Idempotent-Replayed: true`. */
export function submitted<V, T>(result: Submitted<V>, toBody: (value: V) => T): Reply<T> {
  return reply(toBody(result.value), { replayed: result.replayed });
}

/** Content that is not JSON (a page, an asset, metrics). */
export class RawContent {
  readonly content: string | Uint8Array;
  readonly contentType: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    content: string | Uint8Array,
    contentType: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    this.content = content;
    this.contentType = contentType;
    this.headers = headers;
  }
}

/**
 * Newline-delimited JSON, sent as it is produced. Chunks are complete lines with
 * their newlines. An error before the first chunk is an ordinary problem
 * document; after it the connection is cut, so that a reader cannot take a part
 * for the whole.
 */
export class NdjsonStream {
  readonly chunks: AsyncIterable<string | Uint8Array>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(chunks: AsyncIterable<string | Uint8Array>, headers: Readonly<Record<string, string>> = {}) {
    this.chunks = chunks;
    this.headers = headers;
  }
}

export function ndjson(
  chunks: AsyncIterable<string | Uint8Array>,
  headers: Readonly<Record<string, string>> = {},
): NdjsonStream {
  return new NdjsonStream(chunks, headers);
}

/**
 * Server-sent events, open until the reader leaves, its token expires or the
 * server drains: then `signal` is aborted, and the chunks should end. What is
 * thrown before the first chunk is an ordinary problem document.
 */
export class EventStream {
  readonly open: (signal: AbortSignal) => AsyncIterable<string>;
  /** A reader who takes nothing for so long, though there is something to take, is cut off. */
  readonly stalledMs: number;

  constructor(open: (signal: AbortSignal) => AsyncIterable<string>, stalledMs: number) {
    this.open = open;
    this.stalledMs = stalledMs;
  }
}

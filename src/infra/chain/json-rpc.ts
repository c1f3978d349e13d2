/**
 * Questions to a node for somebody who asks it all day, by plain JSON-RPC over HTTP: what only says "not now" (a rate
 * limit, an overloaded or restarting node) is asked again after a while, for as long as the node itself asked for or
 * else a growing one; whatever it refuses is told with its own words, and one that is silent is away. Bounded in every wait and in what it reads, and it
 * changes nothing on the chain.
 */
import { setTimeout as wait } from "node:timers/promises";
import { ChainSilent, ChainUnavailable } from "./chain-errors.ts";

export interface JsonRpc {
  /**
   * @param smaller what is asked for can be asked in smaller parts: no answer in time is a refusal then, and so is a long one
   * @throws RpcRefused where the node answers with an error that asking again does not change; ChainSilent where it
   *   does not answer in time, ChainUnavailable where it is away, or asks to be left alone for longer than a call may wait
   */
  call(method: string, params: readonly unknown[], smaller?: boolean): Promise<unknown>;
}

export interface JsonRpcOptions {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Of one attempt. Default 15,000. */
  readonly timeoutMs?: number | undefined;
  /** Default 5. */
  readonly attempts?: number | undefined;
  /** Before the second attempt; doubled for each after it. Default 250. */
  readonly pauseMs?: number | undefined;
  /** No wait is longer. Default 10,000. */
  readonly longestPauseMs?: number | undefined;
  /** Of one answer; a longer one counts as refused. Default 64 MiB. */
  readonly mostBytes?: number | undefined;
  /** Of one that can be asked in smaller parts. Default 4 MiB. */
  readonly someBytes?: number | undefined;
  /** Ends the waiting. */
  readonly signal?: AbortSignal | undefined;
}

/** The node's answer is an error of its own; also where it took too long for what can be asked in smaller parts. */
export class RpcRefused extends Error {
  readonly code: number;
  /** The code that was called ended in failure: that is an answer, and no fault of the node. */
  readonly isRevert: boolean;
  constructor(method: string, code: number, message: string, isRevert = false) {
    super(`the node refuses ${method}: ${message} (${code})`);
    this.name = "RpcRefused";
    this.code = code;
    this.isRevert = isRevert;
  }
}

/** An answer that is worth another attempt, and the wait that was asked for. */
class Busy extends Error {
  readonly retryAfterMs: number | null;
  constructor(message: string, retryAfterMs: number | null = null, cause?: unknown) {
    super(message, { cause });
    this.retryAfterMs = retryAfterMs;
  }
}

const DEFAULTS = {
  ...{ timeoutMs: 15_000, attempts: 5, pauseMs: 250, longestPauseMs: 10_000 },
  ...{ mostBytes: 64 * 2 ** 20, someBytes: 4 * 2 ** 20 },
} as const;
/** How the common nodes and services word a rate limit in a JSON-RPC error. */
const RATE_LIMIT =
  /rate.?limit|too many requests|request(s)? per|compute units|capacity|throughput|try again|temporar/i;
const RATE_LIMIT_CODES: ReadonlySet<number> = new Set([429, -32_029, -32_097]);
/** How they say that a call was carried out and failed; most have the code 3, or what the contract threw as `data`. */
const REVERT_CODE = 3;
const REVERTED =
  /revert|out ?of ?gas|opcode|invalid jump|bad (?:jump|instruction)|stack (?:limit|underflow|overflow)|out of bounds|write protection|VM (?:execution error|exception)|EVM error/i;
const TRANSIENT_STATUSES: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

export function createJsonRpc(options: JsonRpcOptions): JsonRpc {
  const { url, headers, signal } = options;
  const limits = { ...DEFAULTS, ...definedOnly(options) };
  let lastId = 0;
  const attempt = async (method: string, params: readonly unknown[], mostBytes: number): Promise<unknown> => {
    lastId += 1;
    const timeout = AbortSignal.timeout(limits.timeoutMs);
    const response = await send(
      url,
      {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify({ jsonrpc: "2.0", id: lastId, method, params }),
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      },
      mostBytes,
    );
    if (response === null)
      throw new RpcRefused(method, 0, `an answer of more than ${mostBytes} bytes is not read`);
    return readAnswer(method, response);
  };
  return {
    async call(method, params, smaller = false) {
      for (let attempts = 1; ; attempts++) {
        try {
          return await attempt(method, params, smaller ? limits.someBytes : limits.mostBytes);
        } catch (error) {
          if (!(error instanceof Busy)) throw error;
          if (smaller && isTimeout(error.cause)) throw new RpcRefused(method, 0, "no answer in time");
          // That is no "not now": whoever asked has waited long enough to be told.
          if (isTimeout(error.cause) || isUnreached(error.cause)) throw new ChainSilent(url, error);
          const pause = error.retryAfterMs ?? limits.pauseMs * 2 ** (attempts - 1);
          if (signal?.aborted || attempts >= limits.attempts || pause > limits.longestPauseMs)
            throw new ChainUnavailable(url, error);
          await wait(pause, undefined, { signal }).catch((cause: unknown) => {
            throw new ChainUnavailable(url, cause);
          });
        }
      }
    },
  };
}

type Limits = { -readonly [L in keyof typeof DEFAULTS]: number };

function definedOnly(options: JsonRpcOptions): Partial<Limits> {
  const { timeoutMs, attempts, pauseMs, longestPauseMs, mostBytes, someBytes } = options;
  return Object.fromEntries(
    Object.entries({ timeoutMs, attempts, pauseMs, longestPauseMs, mostBytes, someBytes }).filter(
      ([, value]) => value !== undefined,
    ),
  ) as Partial<Limits>;
}

function isTimeout(cause: unknown): boolean {
  return cause instanceof Error && cause.name === "TimeoutError";
}

/** No connection came about in the 10 seconds that `fetch` waits for one: the machine is off, or something drops all that is sent to it. */
function isUnreached(cause: unknown): boolean {
  const { code } = (cause instanceof Error ? (cause.cause ?? {}) : {}) as { code?: unknown };
  return code === "UND_ERR_CONNECT_TIMEOUT";
}

interface Answer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly text: string;
}

/** Null where the answer is too long. */
async function send(url: string, request: RequestInit, mostBytes: number): Promise<Answer | null> {
  try {
    const response = await fetch(url, request);
    const text = await textOf(response, mostBytes);
    if (text === null) return null;
    return { status: response.status, retryAfter: response.headers.get("retry-after"), text };
  } catch (cause) {
    throw new Busy("no answer", null, cause);
  }
}

async function textOf({ body }: Response, mostBytes: number): Promise<string | null> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const piece of body ?? []) {
    bytes += piece.length;
    if (bytes > mostBytes) return null;
    text += decoder.decode(piece, { stream: true });
  }
  return text + decoder.decode();
}

function readAnswer(method: string, { status, retryAfter, text }: Answer): unknown {
  const answer = parse(text);
  const error = answer?.error;
  if (TRANSIENT_STATUSES.has(status)) {
    // Some nodes send what they refuse with status 500.
    if (status !== 500 || !error) throw new Busy(`HTTP ${status}`, pauseOf(retryAfter));
  }
  if (error) {
    const code = typeof error.code === "number" ? error.code : 0;
    const message = typeof error.message === "string" ? error.message.slice(0, 300) : "no reason";
    // The contract chooses these words: they are no news of the node.
    if (isRevert(error)) throw new RpcRefused(method, code, message, true);
    if (RATE_LIMIT_CODES.has(code) || RATE_LIMIT.test(message)) throw new Busy(message, pauseOf(retryAfter));
    throw new RpcRefused(method, code, message);
  }
  if (!answer || !("result" in answer)) throw new Busy(`HTTP ${status} without a result`);
  return answer.result;
}

/** Whether an error of a node says that a call was carried out and failed. */
export function isRevert({ code, message, data }: NonNullable<Parsed["error"]>): boolean {
  return (
    code === REVERT_CODE ||
    isBytes(data) ||
    (typeof message === "string" && REVERTED.test(message.slice(0, 300)))
  );
}

function isBytes(data: unknown): boolean {
  return typeof data === "string" && /^(?:Reverted )?0x[0-9a-f]*$/i.test(data);
}

interface Parsed {
  readonly result?: unknown;
  readonly error?: { readonly code?: unknown; readonly message?: unknown; readonly data?: unknown };
}

function parse(text: string): Parsed | null {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === "object" && parsed !== null ? parsed : null;
  } catch {
    return null;
  }
}

/** Seconds, or a date, as HTTP has it. */
function pauseOf(retryAfter: string | null): number | null {
  if (retryAfter === null) return null;
  if (/^\d{1,6}$/.test(retryAfter)) return Number.parseInt(retryAfter, 10) * 1_000;
  const until = Date.parse(retryAfter);
  return Number.isNaN(until) ? null : Math.max(0, until - Date.now());
}

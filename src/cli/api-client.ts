/**
 * The server as the commands talk to it: JSON in, JSON out, an idempotency key on
 * every POST, and a POST sent again where the server was away for a moment.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { decodeJwt } from "jose";
import { loadConfig } from "#config";
import {
  askServer,
  causeOf,
  isOfAnother,
  NoAnswer,
  NoServer,
  noAnchorbookAt,
  textOf,
  workSeconds,
} from "./ask-server.ts";
import { asUsage } from "./command.ts";
import { requireUrl } from "./option-checks.ts";
import { signToken } from "./token.ts";

/** Refused for the token or the rate. */
const BEFORE_THE_KEY = [401, 403, 429];

/** The server answered no, or nothing; the message says so to a person. */
export class ApiError extends Error {
  /** 0 where there was no answer. */
  readonly status: number;
  readonly code: string;
  /** Whether it is what the first request under the key was answered. */
  readonly replayed: boolean;
  /** When the server says that trying again can help; 0 where it does not say. */
  readonly retryAfterSeconds: number;
  #isOpen = false;
  constructor(status: number, code: string, message: string, replayed = false, retryAfterSeconds = 0) {
    super(message);
    this.status = status;
    this.code = code;
    this.replayed = replayed;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  /** Whether what was asked for may have been done all the same: no Anchorbook server refused it. */
  get leavesOpen(): boolean {
    return this.#isOpen || this.code === NO_ANCHORBOOK || this.status < 400 || this.status >= 500;
  }

  /** Whether the server took it, and nothing came back or not all of it, or what stands before it says that it waited no longer. */
  get isUnanswered(): boolean {
    return this.code === SILENT || this.code === BROKE_OFF || this.code === "http_504";
  }

  /** The same, where an earlier attempt left it open: what is refused before the key is looked at says nothing of that one. */
  after(isOpen: boolean): this {
    this.#isOpen = isOpen && BEFORE_THE_KEY.includes(this.status);
    return this;
  }
}

/** For `catch`: says what to do where nobody knows whether it was done. */
export function orHint(hint: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof ApiError && error.isUnanswered)) throw error;
    throw new Error(`${error.message}\n${hint}`, { cause: error });
  };
}

/** An answer, and whether it is the first one again that was given under the key. */
export interface Once<T> {
  readonly answer: T;
  readonly replayed: boolean;
}

export interface ApiClient {
  readonly api: string;
  get<T>(path: string): Promise<T>;
  post<T>(path: string, body: unknown): Promise<T>;
  /** As `post`, for what a server that is well may work on for minutes. */
  postWork<T>(path: string, body: unknown): Promise<T>;
  /** Does nothing twice under one key. @param key 1 to 255 visible ASCII characters */
  postOnce<T>(path: string, body: unknown, key: string): Promise<Once<T>>;
}

export interface UserApiClient extends ApiClient {
  /** Whose token it is. */
  readonly userId: string;
}

const TOKEN_SECONDS = 3_600;
const ATTEMPTS = 8;

/**
 * A client for `ANCHORBOOK_API` with `ANCHORBOOK_TOKEN`, else with a token that this
 * development server's own secret signs.
 */
export async function connectApi(
  env: Readonly<Record<string, string | undefined>>,
  overrides: { api?: string | undefined; token?: string | undefined; ledger?: string | undefined } = {},
): Promise<ApiClient> {
  const config = loadConfig(env);
  const claims = { sub: "anchorbook-cli", roles: ["operator", "auditor"], lifetimeSeconds: TOKEN_SECONDS };
  const token = overrides.token ?? config.apiToken ?? (await signToken(config, claims)).token;
  const { answerSeconds } = config;
  return createApiClient(readBase(overrides.api) ?? config.api, {
    ...{ token, ledger: overrides.ledger, answerSeconds },
  });
}

/** For what a user alone may do: with `ANCHORBOOK_TOKEN`, and no other. @throws Error where there is none, or nobody's */
export function connectUserApi(
  env: Readonly<Record<string, string | undefined>>,
  { api, ledger }: { api?: string | undefined; ledger?: string | undefined },
): UserApiClient {
  const config = loadConfig(env);
  const userId = subjectOf(config.apiToken ?? "");
  if (config.apiToken === undefined || userId === undefined)
    throw new Error(
      "ANCHORBOOK_TOKEN must hold the user's own token: on a development server ANCHORBOOK_TOKEN=$(npx anchorbook token --sub USER)",
    );
  const { apiToken: token, answerSeconds } = config;
  return { ...createApiClient(readBase(api) ?? config.api, { token, ledger, answerSeconds }), userId };
}

/** @throws UsageError, before anything is sent to what is no address */
function readBase(api: string | undefined): string | undefined {
  asUsage(() => requireUrl("--api", api));
  return api;
}

/** Undefined where the text is no token of anybody. */
function subjectOf(token: string): string | undefined {
  try {
    return decodeJwt(token).sub;
  } catch {
    return undefined;
  }
}

export interface ApiClientOptions {
  /** Null for what is public. */
  readonly token: string | null;
  /** Another than the default one. */
  readonly ledger?: string | undefined;
  /** How long an answer is waited for. */
  readonly answerSeconds: number;
}

export function createApiClient(api: string, { token, ledger, answerSeconds }: ApiClientOptions): ApiClient {
  const base = api.replace(/\/+$/, "");
  const authorization = token === null ? {} : { authorization: `Bearer ${token}` };
  const always: Record<string, string> = { ...authorization, ...ledgerHeader(ledger) };
  const server: Server = { base, answerSeconds, hasAnswered: false };
  const postFor = <T>(seconds: number, path: string, body: unknown, key: string): Promise<Once<T>> =>
    send(server, path, seconds, {
      method: "POST",
      headers: { ...always, "content-type": "application/json", "idempotency-key": key },
      body: JSON.stringify(body),
    });
  const post = async <T>(seconds: number, path: string, body: unknown) =>
    (await postFor<T>(seconds, path, body, randomUUID())).answer;
  return {
    api: base,
    get: async <T>(path: string) => (await send<T>(server, path, answerSeconds, { headers: always })).answer,
    post: (path, body) => post(answerSeconds, path, body),
    postWork: (path, body) => post(workSeconds(answerSeconds), path, body),
    postOnce: (path, body, key) => postFor(answerSeconds, path, body, key),
  };
}

/** The header by which a request chooses a ledger; none for the default one. */
export function ledgerHeader(ledger: string | undefined): Record<string, string> {
  return ledger === undefined ? {} : { "x-ledger": ledger };
}

/** It took the question and did not answer: who asked has waited long enough to be told. */
const SILENT = "silent";
const BROKE_OFF = "broke_off";
const NO_ANCHORBOOK = "no_anchorbook";
/** No answer, or one of whatever stands before the server. */
const PASSING = [0, 429, 502, 503, 504];
/** What the server says will take so long is told at once: all attempts together take 13 seconds. */
const TOLD_AT_ONCE_SECONDS = 60;

interface Server {
  readonly base: string;
  /** Whoever waited so long for a refusal is told it, and does not wait as long again. */
  readonly answerSeconds: number;
  hasAnswered: boolean;
}

async function send<T>(server: Server, path: string, seconds: number, init: RequestInit): Promise<Once<T>> {
  let last: ApiError | undefined;
  let [isOpen, silences] = [false, 0];
  for (let attempt = 1; ; attempt++) {
    const began = performance.now();
    try {
      const answer = await sendOnce<T>(server.base, path, seconds, init);
      server.hasAnswered = true;
      return answer;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // What is under way already says less than why the server did not wait for its end.
      if (error.code === "in_progress" && last !== undefined && last.status !== 0) throw last.after(isOpen);
      if (error.code === SILENT) silences++;
      const mayAskAgain =
        error.code === SILENT
          ? isRead(init) && server.hasAnswered && silences === 1
          : performance.now() - began < 1_000 * server.answerSeconds;
      // The same key goes with every attempt, so that a lost answer does nothing twice.
      const isPassing =
        mayAskAgain && PASSING.includes(error.status) && error.retryAfterSeconds < TOLD_AT_ONCE_SECONDS;
      if (!isPassing || attempt === ATTEMPTS) throw error.after(isOpen);
      isOpen ||= error.leavesOpen;
      last = error;
      await pause(100 * 2 ** (attempt - 1));
    }
  }
}

function isRead({ method }: RequestInit): boolean {
  return method === undefined;
}

async function sendOnce<T>(base: string, path: string, seconds: number, init: RequestInit): Promise<Once<T>> {
  const { response, text } = await exchange(base, path, seconds, init);
  const replayed = response.headers.get("idempotent-replayed") === "true";
  const body = jsonOf(text);
  // What stands before a server says in its own words that it is away.
  if (isOfAnother(response, body) && !PASSING.includes(response.status))
    throw new ApiError(response.status, NO_ANCHORBOOK, noAnchorbookAt(base, response.status));
  if (!response.ok) {
    const { code, text: why } = refusalOf(response, body);
    throw new ApiError(response.status, code, why, replayed, secondsOf(response.headers.get("retry-after")));
  }
  return { answer: body as T, replayed };
}

/** 0 where it is left out, or a date. */
function secondsOf(retryAfter: string | null): number {
  return /^\d{1,9}$/.test(retryAfter ?? "") ? Number(retryAfter) : 0;
}

/** The whole answer: one that breaks off is none. */
async function exchange(
  base: string,
  path: string,
  seconds: number,
  init: RequestInit,
): Promise<{ response: Response; text: string }> {
  try {
    const { response, pieces } = await askServer(base, path, init, seconds);
    return { response, text: await textOf(pieces) };
  } catch (error) {
    if (error instanceof NoAnswer) throw new ApiError(0, SILENT, error.message);
    if (!(error instanceof NoServer))
      throw new ApiError(0, BROKE_OFF, `The answer of ${base} broke off (${causeOf(error)})`);
    throw error.isPassing
      ? new ApiError(0, "unreachable", error.message)
      : new ApiError(400, NO_ANCHORBOOK, error.message);
  }
}

/** A server's refusal, in words for the command line. */
export function refusalOf(
  { status, statusText }: Pick<Response, "status" | "statusText">,
  body: unknown,
): { readonly code: string; readonly text: string } {
  const { error, message } = (body ?? {}) as { error?: string; message?: string };
  const code = error ?? `http_${status}`;
  return { code, text: `${code}: ${inCommands(`${message ?? statusText}`)}` };
}

/** What a server says to who sends requests, for who types commands: a ledger is named by an option there, and keys are made by the command. */
export function inCommands(words: string): string {
  return words
    .replaceAll(/X-Ledger( or the path)?/g, "--ledger")
    .replace("ask again with the same Idempotency-Key", "what it began may go on");
}

/** Undefined where it is none. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A path of the API that asks for one asset's book. */
export function withAsset(path: string, asset: string | undefined): string {
  if (asset === undefined) return path;
  return `${path}${path.includes("?") ? "&" : "?"}asset=${encodeURIComponent(asset)}`;
}

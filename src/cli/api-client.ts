/**
 * The server as the commands talk to it: JSON in, JSON out, an idempotency key on
 * every POST, and a POST sent again where the server was away for a moment.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { loadConfig } from "#config";
import { signToken } from "./token.ts";

/** The server answered no, or nothing; the message says so to a person. */
export class ApiError extends Error {
  /** 0 where there was no answer. */
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export interface ApiClient {
  readonly api: string;
  get<T>(path: string): Promise<T>;
  post<T>(path: string, body: unknown): Promise<T>;
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
  return createApiClient(overrides.api ?? config.api, token, overrides.ledger);
}

/** For what a user alone may do: with `ANCHORBOOK_TOKEN`, and no other. @throws Error where there is none */
export function connectUserApi(
  env: Readonly<Record<string, string | undefined>>,
  { api, ledger }: { api?: string | undefined; ledger?: string | undefined },
): ApiClient {
  const config = loadConfig(env);
  if (config.apiToken === undefined) throw new Error("ANCHORBOOK_TOKEN must hold the user's token");
  return createApiClient(api ?? config.api, config.apiToken, ledger);
}

/** @param token null for what is public @param ledger another than the default one */
export function createApiClient(api: string, token: string | null, ledger?: string): ApiClient {
  const base = api.replace(/\/+$/, "");
  const authorization = token === null ? {} : { authorization: `Bearer ${token}` };
  const always: Record<string, string> = { ...authorization, ...ledgerHeader(ledger) };
  return {
    api: base,
    get: (path) => send(base, path, { headers: always }),
    post: (path, body) =>
      send(base, path, {
        method: "POST",
        headers: { ...always, "content-type": "application/json", "idempotency-key": randomUUID() },
        body: JSON.stringify(body),
      }),
  };
}

/** The header by which a request chooses a ledger; none for the default one. */
export function ledgerHeader(ledger: string | undefined): Record<string, string> {
  return ledger === undefined ? {} : { "x-ledger": ledger };
}

async function send<T>(base: string, path: string, init: RequestInit): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await sendOnce<T>(base, path, init);
    } catch (error) {
      // The same key goes with every attempt, so that a lost answer does nothing twice.
      const passing = error instanceof ApiError && [0, 429, 503].includes(error.status);
      if (!passing || attempt === ATTEMPTS) throw error;
      await pause(100 * 2 ** (attempt - 1));
    }
  }
}

async function sendOnce<T>(base: string, path: string, init: RequestInit): Promise<T> {
  let response: Response;
  try {
    response = await fetch(`${base}${path}`, init);
  } catch (error) {
    const cause =
      error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    throw new ApiError(
      0,
      "unreachable",
      `No server answers at ${base} (${cause}). Start one with: npm start`,
    );
  }
  const body = (await response.json().catch(() => ({}))) as { error?: string; message?: string };
  if (response.ok) return body as T;
  const code = body.error ?? `http_${response.status}`;
  throw new ApiError(response.status, code, `${code}: ${body.message ?? response.statusText}`);
}

/** A path of the API that asks for one asset's book. */
export function withAsset(path: string, asset: string | undefined): string {
  if (asset === undefined) return path;
  return `${path}${path.includes("?") ? "&" : "?"}asset=${encodeURIComponent(asset)}`;
}

/**
 * Errors as RFC 9457 problem documents. `PROBLEMS` is the one map from a stable
 * code to its HTTP status; the OpenAPI document and docs/errors.md are made from
 * it. What is not a known error becomes `internal_error` with the request's id
 * and nothing else: no message, no stack, no hint of what runs inside.
 */
import { DomainError, type ErrorCode } from "#kernel";
import { isUnavailable } from "./unavailable.ts";

export type ProblemCode = ErrorCode | "internal_error";

interface ProblemKind {
  readonly status: number;
  readonly title: string;
  /** When it is answered and what the caller can do, for docs/errors.md. */
  readonly meaning: string;
}

export const PROBLEMS: Readonly<Record<ProblemCode, ProblemKind>> = {
  invalid_request: {
    status: 400,
    title: "The request is not well formed",
    meaning:
      "A member is missing, unknown, of the wrong type or out of range; `details` lists each with its reason. Also answered with 405 for a method the path does not have, and with 415 for a body that is not JSON.",
  },
  invalid_amount: {
    status: 400,
    title: "The amount is not acceptable",
    meaning:
      "An amount is not a plain decimal, is negative, is zero where it must not be, has more decimals than its asset, or is below the least amount of the action. Send amounts as decimal strings.",
  },
  insufficient_balance: {
    status: 400,
    title: "The balance does not cover the amount",
    meaning: "Less is available than the action needs; nothing was moved. `details` says both amounts.",
  },
  unauthenticated: {
    status: 401,
    title: "A valid token is needed",
    meaning: "The token is missing, expired, or does not verify. Get a new one.",
  },
  forbidden: {
    status: 403,
    title: "The token does not allow this",
    meaning:
      "The token is valid but lacks the role, or the data belongs to another user, or an operator made the hold and operators end it, or a cosignature is of no witness that the log knows.",
  },
  not_found: {
    status: 404,
    title: "There is no such thing",
    meaning: "The path is unknown, or the id in it names nothing.",
  },
  already_locked: {
    status: 409,
    title: "The agreement is already locked",
    meaning: "An agreement has one active lock at a time. Release or terminate it first.",
  },
  not_expired: {
    status: 409,
    title: "It is too early",
    meaning: "The lock, stake or reservation still runs; `details` says until when.",
  },
  tier_not_higher: {
    status: 409,
    title: "The tier is not higher than the present one",
    meaning: "On the same strategy only a higher tier can follow.",
  },
  not_active: {
    status: 409,
    title: "It is no longer active",
    meaning: "The lock, stake, reservation, hold or account was released, ended or closed before.",
  },
  not_closable: {
    status: 409,
    title: "The account cannot be closed",
    meaning:
      "`details.reason` says why: `balance_not_zero`, `debits_held`, `has_a_position` (a settled one), `belongs_to_a_program`, `system_account`.",
  },
  exit_demanded: {
    status: 409,
    title: "The position is leaving on-chain",
    meaning:
      "Its owner has demanded to leave with it on-chain. It is paid out when that is due; until it is served nothing else is taken from it.",
  },
  invalid_signature: {
    status: 400,
    title: "The signature does not hold",
    meaning:
      "`details.reason` says why: `signature` (not the wallet's, of another message, malleable or of another length), `number` (the message to sign is another one by now), `expired`, `deadline` (too far ahead). Ask for the message again and sign that.",
  },
  wallet_taken: {
    status: 409,
    title: "The wallet belongs to another user",
    meaning: "A wallet is one user's for ever, from the first time it signed for one.",
  },
  wallet_change_announced: {
    status: 409,
    title: "Another change of the wallet is announced",
    meaning: "Cancel it first, or let the linked wallet sign the new one too.",
  },
  no_wallet: {
    status: 409,
    title: "No wallet is linked",
    meaning: "A withdrawal goes to the user's own linked wallet. Link one first.",
  },
  frozen: {
    status: 409,
    title: "The book is frozen",
    meaning: "Nothing leaves by the operator any more: claim and escape on-chain.",
  },
  in_progress: {
    status: 409,
    title: "The same is under way",
    meaning: "A settlement run or import with this idempotency key has not finished; ask again later.",
  },
  payload_too_large: {
    status: 413,
    title: "The body is too large",
    meaning: "A body is at most 1 MB where the route does not say otherwise. Send less at a time.",
  },
  idempotency_key_reused: {
    status: 422,
    title: "The idempotency key belongs to another request",
    meaning:
      "The key was used before with another method, path, query or body. Use a new key for a new request.",
  },
  quota_exceeded: {
    status: 429,
    title: "The quota of the day is used up",
    meaning:
      "Nothing was consumed. `Retry-After` says when the next UTC day begins, or when a hold ends that would leave room.",
  },
  rate_limited: {
    status: 429,
    title: "Too many requests",
    meaning:
      "The limit of requests a minute is reached, or of event streams or holds of quota that are open at a time; `Retry-After` says when trying again can help.",
  },
  internal_error: {
    status: 500,
    title: "Something went wrong on our side",
    meaning:
      "Unexpected. Repeating it with the same `Idempotency-Key` is safe. Quote `details.request_id` when you report it.",
  },
  unavailable: {
    status: 503,
    title: "The service cannot do this now",
    meaning:
      "Something the service needs does not answer, or it is at its limit, or what was asked for is held back: the message says by what, and where an operator has to act. Try again after `Retry-After` seconds with the same `Idempotency-Key`.",
  },
};

/** Where the error itself does not say when trying again can help. */
const DEFAULT_RETRY_AFTER_SECONDS = 5;

/** A refusal by HTTP itself, whose status is not the usual one of its code. */
export class HttpRefusal extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: ErrorCode,
    status: number,
    message: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.name = "HttpRefusal";
    this.code = code;
    this.status = status;
    this.headers = headers;
  }
}

export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly error: ProblemCode;
  readonly message: string;
  readonly details: unknown;
}

export interface ProblemAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ProblemDocument;
  /** True where an operator should see the error with its stack. */
  readonly unexpected: boolean;
}

/** Any thrown value as the answer to send. */
export function toProblem(error: unknown, request: { path: string; requestId: string }): ProblemAnswer {
  if (error instanceof HttpRefusal)
    return answer(error.code, error.message, null, request.path, error.headers, error.status);
  if (error instanceof DomainError) return fromDomainError(error, request.path);
  const refusal = parserRefusal(error);
  if (refusal) return answer(refusal.code, refusal.message, null, request.path, {}, refusal.status);
  if (isUnavailable(error)) {
    const message = "The database or another part does not answer; try again";
    return answer("unavailable", message, null, request.path, retryAfter(undefined));
  }
  const message = "Something went wrong on our side";
  const details = { request_id: request.requestId };
  return { ...answer("internal_error", message, details, request.path, {}), unexpected: true };
}

function fromDomainError(error: DomainError, path: string): ProblemAnswer {
  const { status } = PROBLEMS[error.code];
  const headers: Record<string, string> = {};
  if (status === 429 || status === 503 || error.retryAfterSeconds !== undefined)
    Object.assign(headers, retryAfter(error.retryAfterSeconds));
  if (status === 401) headers["WWW-Authenticate"] = challenge(error.details);
  if (error.replayed) headers["Idempotent-Replayed"] = "true";
  return answer(error.code, error.message, detailsOf(error), path, headers);
}

function answer(
  code: ProblemCode,
  message: string,
  details: unknown,
  path: string,
  headers: Readonly<Record<string, string>>,
  status: number = PROBLEMS[code].status,
): ProblemAnswer {
  const body: ProblemDocument = {
    type: `/docs/errors#${code}`,
    title: PROBLEMS[code].title,
    status,
    detail: message,
    instance: path,
    error: code,
    message,
    details,
  };
  return { status, headers, body, unexpected: false };
}

function retryAfter(seconds: number | undefined): Record<string, string> {
  return { "Retry-After": String(Math.max(1, Math.ceil(seconds ?? DEFAULT_RETRY_AFTER_SECONDS))) };
}

/** RFC 6750: without a token no error is named, with a bad one `invalid_token`. */
function challenge(details: unknown): string {
  const refused = isRecord(details) && details.reason === "invalid_token";
  return `Bearer realm="anchorbook"${refused ? ', error="invalid_token"' : ""}`;
}

/** The kernel names one member; documents list members with reasons. */
function detailsOf(error: DomainError): unknown {
  const details = error.details ?? null;
  const isInput = error.code === "invalid_request" || error.code === "invalid_amount";
  if (!isInput || !isRecord(details) || typeof details.member !== "string") return details;
  const prefix = `${details.member} `;
  const reason = error.message.startsWith(prefix) ? error.message.slice(prefix.length) : error.message;
  return [{ member: details.member, reason }];
}

/** Errors of Express and its body parser carry a 4xx status; their texts quote the request, so ours are sent. */
function parserRefusal(error: unknown): HttpRefusal | null {
  if (!isRecord(error) || typeof error.status !== "number") return null;
  if (error.status === 413)
    return new HttpRefusal(
      "payload_too_large",
      413,
      `The body is larger than this route accepts${typeof error.limit === "number" ? `: at most ${error.limit} bytes` : ""}`,
    );
  if (error.status === 415)
    return new HttpRefusal("invalid_request", 415, "Content-Encoding is not supported");
  if (error.status >= 400 && error.status < 500)
    return new HttpRefusal("invalid_request", 400, "The request could not be read");
  return null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

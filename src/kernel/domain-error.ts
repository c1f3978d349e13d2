/**
 * The one error type of the domain. It is a value with a stable `code` that
 * clients may rely on, a sentence that says what to do, and optional details.
 * It knows nothing of HTTP: `src/api/problem.ts` maps codes to statuses.
 */
export type ErrorCode =
  | "insufficient_balance"
  | "invalid_amount"
  | "invalid_request"
  | "unauthenticated"
  | "forbidden"
  | "not_found"
  | "already_locked"
  | "not_expired"
  | "tier_not_higher"
  | "not_active"
  | "not_closable"
  | "exit_demanded"
  | "invalid_signature"
  | "wallet_taken"
  | "wallet_change_announced"
  | "no_wallet"
  | "frozen"
  | "quota_exceeded"
  | "rate_limited"
  | "idempotency_key_reused"
  | "in_progress"
  | "payload_too_large"
  | "unavailable";

export class DomainError extends Error {
  readonly code: ErrorCode;
  /** A sentence or a structure for the reader; must be JSON and hold no secret. */
  readonly details: unknown;
  /** Seconds after which trying again can help; sent as `Retry-After`. */
  readonly retryAfterSeconds: number | undefined;
  /** True where this is the stored answer of an earlier request with the same idempotency key. */
  readonly replayed: boolean;

  constructor(
    code: ErrorCode,
    message: string,
    options: { details?: unknown; retryAfterSeconds?: number; replayed?: boolean; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "DomainError";
    this.code = code;
    this.details = options.details;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.replayed = options.replayed ?? false;
  }
}

/**
 * What the simulator and the server processes that it drives say to each other:
 * requests as a client would make them, and what was answered. Messages go over
 * the process channel with structured clone, so amounts stay `bigint`.
 */
import type { AccountRequest, Json, TransferRequest } from "#ledger";

/** One thing that a client asks for. A new kind is added here, in `server-process.ts`, in the model and in the generator. */
export type Operation =
  | { readonly kind: "transfers"; readonly requests: readonly TransferRequest[]; readonly bulk: boolean }
  | { readonly kind: "dry-run"; readonly requests: readonly TransferRequest[] }
  | { readonly kind: "accounts"; readonly requests: readonly AccountRequest[] }
  | { readonly kind: "look"; readonly accounts: readonly string[] }
  | { readonly kind: "close"; readonly account: string }
  /** Nothing but a batch: what is due expires. */
  | { readonly kind: "tick" }
  | { readonly kind: "grant"; readonly userId: string; readonly asset: string; readonly amount: string }
  | {
      readonly kind: "lock";
      readonly userId: string;
      readonly agreementId: string;
      readonly amount: bigint;
      readonly durationDays: number;
      readonly counterpartyId: string | undefined;
    }
  | {
      readonly kind: "release";
      readonly agreementId: string;
      readonly caller: string;
      readonly isOperator: boolean;
    }
  | {
      readonly kind: "terminate";
      readonly agreementId: string;
      readonly caller: string;
      readonly isArbiter: boolean;
    }
  | { readonly kind: "upgrade"; readonly userId: string; readonly strategyId: string; readonly tier: number }
  | { readonly kind: "unstake"; readonly userId: string; readonly strategyId: string }
  | {
      readonly kind: "reserve";
      readonly userId: string;
      readonly entityType: number;
      readonly entityId: string;
      readonly durationDays: number;
    }
  | {
      readonly kind: "consume";
      readonly userId: string;
      readonly entityType: number;
      readonly entityId: string;
    }
  /** Units of quota before it is known how many are needed. A reference is a hold's own, so that clients find it again. */
  | {
      readonly kind: "hold";
      readonly userId: string;
      readonly entityType: number;
      readonly units: number;
      readonly ttlSeconds: number;
      readonly reference: string;
    }
  | { readonly kind: "commit"; readonly reference: string; readonly units: number | undefined }
  | { readonly kind: "free"; readonly reference: string }
  | {
      readonly kind: "extend";
      readonly reference: string;
      readonly ttlSeconds: number;
      readonly units: number | undefined;
    }
  /** The jobs that end what is due: a unit of work for each holding, and for each quota with holds. */
  | { readonly kind: "expire" };

export interface Request {
  /** Every sending has a number of its own, a repetition too. */
  readonly number: number;
  readonly operation: Operation;
  readonly key: string | null;
  /** Of the operation, as hex. */
  readonly fingerprint: string;
}

export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly details: unknown;
}

export interface Answer {
  readonly request: number;
  /** Which of its process's decisions was the last one for this request; null where none was made. */
  readonly order: number | null;
  /** Ledger time of that decision. */
  readonly now: number | null;
  /** True where the stored answer of an earlier request with the same key came. */
  readonly replayed: boolean;
  /** What was answered; null beside a refusal. */
  readonly value: Json;
  readonly refusal: Refusal | null;
}

/** What a server is told when it is to open its ledger. */
export interface ServerOptions {
  readonly name: string;
  readonly databaseUrl: string;
  readonly schema: string;
  readonly redisUrl: string | null;
  readonly batchWeight: number;
  readonly aheadWeight: number;
  readonly memoryWeight: number;
  readonly patienceMs: number;
}

export type ToServer =
  | { readonly type: "open"; readonly options: ServerOptions }
  | { readonly type: "request"; readonly request: Request }
  /** Compares the counters in Redis with the truth, twice. */
  | { readonly type: "drift" }
  | { readonly type: "close" };

/** How a batch came to be decided, and why batches were run again before that. */
export const WAYS = [
  ...(["under_the_head", "ahead", "from_memory"] as const),
  ...(["again_overtaken", "again_memory", "again_conflict", "again_connection"] as const),
] as const;
export type Way = (typeof WAYS)[number];

export interface CounterDrift {
  readonly compared: number;
  /** At a second look. */
  readonly differing: number;
}

export type FromServer =
  | { readonly type: "ready" }
  | { readonly type: "opened" }
  | { readonly type: "batch"; readonly ways: readonly Way[] }
  | { readonly type: "answer"; readonly answer: Answer }
  /** Null where this server has no Redis. */
  | { readonly type: "drift"; readonly drift: CounterDrift | null }
  | { readonly type: "closed" };

/**
 * Every unit of work that is decided says so by an event of its own, so that the ledger itself tells
 * which units were committed, in which order and when, whatever became of their answers.
 */
export const MARK = "simulated.decided";

export type Mark = {
  readonly request: number;
  readonly server: string;
  readonly order: number;
  readonly unit: string;
  /** What the unit made or ends: a holding's id, or a quota and day as "user/type/day". */
  readonly holding: string | null;
  /** Where the unit answered true or false, that. */
  readonly value: boolean | null;
};

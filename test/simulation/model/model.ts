/**
 * All that the simulator believes: ledger, access program, and the answers that
 * keys stand for. It is told of each request where and when it was decided, and
 * says what must have been answered.
 */
import type { AccountSpec } from "#ledger";
import type { Operation } from "../protocol.ts";
import { type Decided, type ModelEvent, ModelRefusal } from "./access-words.ts";
import { ModelAccess } from "./model-access.ts";
import { ModelLedger } from "./model-ledger.ts";

/** What must be answered: a value of which these members are known, or a refusal. */
export type Expected =
  | { readonly says: unknown; readonly refusal: null }
  | { readonly says: null; readonly refusal: { readonly code: string; readonly details: unknown } };

export interface Told extends Omit<Decided, "events"> {
  /** Of an expiry: which holding. */
  readonly holding: string | null;
}

export interface Applied {
  readonly expected: Expected;
  readonly events: readonly ModelEvent[];
}

export class Model {
  readonly ledger = new ModelLedger();
  readonly access: ModelAccess;

  constructor(accountId: (spec: AccountSpec) => string) {
    this.access = new ModelAccess(this.ledger, accountId);
  }

  /** One unit of work. A refusal changes nothing. */
  apply(operation: Operation, told: Told): Applied {
    this.ledger.expire(told.now);
    const events: ModelEvent[] = [];
    try {
      const says = this.ledger.undo.attempt(() => ({
        value: this.#run(operation, { ...told, events }),
        keep: true,
      }));
      return { expected: { says, refusal: null }, events };
    } catch (error) {
      if (!(error instanceof ModelRefusal)) throw error;
      const { code, details } = error;
      return { expected: { says: null, refusal: { code, details } }, events: [] };
    }
  }

  /** What would be answered now; nothing stays. */
  ask(operation: Operation, told: Told): Expected {
    return this.ledger.undo.attempt(() => ({ value: this.apply(operation, told).expected, keep: false }));
  }

  #run(operation: Operation, told: Told & Decided): unknown {
    switch (operation.kind) {
      case "transfers":
      case "dry-run": {
        const codes = this.ledger.transfers(operation.requests, told.now);
        return operation.requests.map(({ id }, index) => ({ index, id, code: codes[index] }));
      }
      case "accounts": {
        const codes = this.ledger.openAll(operation.requests);
        return operation.requests.map(({ id }, index) => ({ index, id, code: codes[index] }));
      }
      case "look":
        return operation.accounts.map((id) => this.#balances(id));
      case "close":
        return this.#close(operation.account, told.events);
      case "tick":
        return null;
      case "expire":
        return told.holding?.includes("/")
          ? this.access.quotas.expire(told.holding, told)
          : this.access.expireHolding(told.holding ?? "", told);
      case "consume":
      case "hold":
      case "commit":
      case "free":
      case "extend":
        return this.access.quotas[operation.kind](operation as never, told);
      default:
        return this.access[operation.kind](operation as never, told);
    }
  }

  #close(id: string, events: ModelEvent[]): unknown {
    const before = this.ledger.accounts.get(id);
    const reason = this.ledger.close(id, this.access.positions.has(id));
    if (reason === "not_found") throw new ModelRefusal("not_found");
    if (reason !== null) throw new ModelRefusal("not_closable", { account: id, reason });
    const wasOpen = before?.closed === false;
    if (wasOpen) events.push(["account.closed", before.owner]);
    return { id, closed: true, closed_now: wasOpen };
  }

  #balances(id: string): readonly string[] | null {
    const account = this.ledger.accounts.get(id);
    if (!account) return null;
    return [account.debits, account.credits, account.debitsHeld, account.creditsHeld].map(String);
  }
}

/**
 * Random programs: rounds of requests that are under way together, and what goes
 * wrong meanwhile. All of it is drawn from the seed and from nothing else, least
 * of all from answers, so that a seed is the same program every time.
 */
import { createHash } from "node:crypto";
import type { AccountRequest } from "#ledger";
import type { Random } from "../support/random.ts";
import { type PlannedFault, planFault } from "./faults.ts";
import { show } from "./judge.ts";
import type { Operation, Request } from "./protocol.ts";
import { TransferMaker, type WorldAccount } from "./random-transfers.ts";

export interface PlannedRequest extends Request {
  /** Which of the servers. */
  readonly server: number;
}

export interface Round {
  readonly requests: readonly PlannedRequest[];
  readonly faults: readonly PlannedFault[];
  readonly repeatedLater: number;
  readonly repeatedAtOnce: number;
  readonly isReordered: boolean;
}

/** Of a round, where nobody says otherwise. */
export const CROWD = 70;
const USERS = ["anna", "ben", "cleo", "dora", "emil", "nobody"] as const;
const AGREEMENTS = ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"] as const;
const STRATEGIES = ["s1", "s2"] as const;
const ONE = 10n ** 18n;

/** What a client may ask, and how often of 100. */
const MIX: readonly (readonly [weight: number, make: (from: Generator) => Operation])[] = [
  [33, (from) => ({ kind: "transfers", requests: from.transfers(), bulk: from.random.chance(0.4) })],
  [3, (from) => ({ kind: "dry-run", requests: from.transfers() })],
  [4, (from) => ({ kind: "accounts", requests: from.accounts() })],
  [5, (from) => ({ kind: "look", accounts: from.someAccounts() })],
  [3, (from) => ({ kind: "close", account: from.closing() })],
  [2, () => ({ kind: "tick" })],
  [2, () => ({ kind: "expire" })],
  [4, (from) => from.grant()],
  [7, (from) => from.lock()],
  [4, (from) => ({ kind: "release", isOperator: from.random.chance(0.3), ...from.party() })],
  [4, (from) => ({ kind: "terminate", isArbiter: from.random.chance(0.2), ...from.party() })],
  [6, (from) => ({ kind: "upgrade", tier: from.random.pick([0, 1, 1, 1, 2, 2, 3]), ...from.staker() })],
  [2, (from) => ({ kind: "unstake", ...from.staker() })],
  [4, (from) => ({ kind: "reserve", durationDays: from.days(), ...from.entity() })],
  [7, (from) => ({ kind: "consume", ...from.entity() })],
  [4, (from) => from.hold()],
  [3, (from) => ({ kind: "commit", units: from.maybe([0, 1, 2, 5]), ...from.held() })],
  [1, (from) => ({ kind: "free", ...from.held() })],
  [
    2,
    (from) => ({
      kind: "extend",
      ttlSeconds: 1 + from.random.below(30),
      units: from.maybe([1, 3]),
      ...from.held(),
    }),
  ],
];
const DRAWN = MIX.flatMap(([weight, make]) => Array<(typeof MIX)[number][1]>(weight).fill(make));
/** Asked as often as you like, they change nothing, or are nobody's request. */
const KEYLESS: ReadonlySet<Operation["kind"]> = new Set(["dry-run", "look", "expire"]);

export class Generator {
  readonly random: Random;
  readonly #transfers: TransferMaker;
  readonly #world: WorldAccount[];
  readonly #startedAt: number;
  readonly #crowd: number;
  readonly #past: Pick<Request, "operation" | "key">[] = [];
  readonly #opened: AccountRequest[] = [];
  #keys = 0;
  #holds = 0;
  #number = 0;

  /**
   * @param startedAt ledger time from which times of effect are counted; the same for every run of a seed
   * @param crowd requests in the largest round
   */
  constructor(random: Random, world: readonly WorldAccount[], startedAt: number, crowd: number) {
    this.random = random;
    this.#world = [...world];
    this.#transfers = new TransferMaker(random, world);
    this.#startedAt = startedAt;
    this.#crowd = crowd;
  }

  nextNumber(): number {
    this.#number += 1;
    return this.#number;
  }

  round(most: number): Round {
    const { random } = this;
    // Mostly crowds, to fill batches; sometimes a few, which are decided another way.
    const size = Math.min(most, 1 + random.below(random.chance(0.25) ? 4 : this.#crowd));
    const requests: PlannedRequest[] = [];
    let [repeatedLater, repeatedAtOnce] = [0, 0];
    while (requests.length < size) {
      const before = random.chance(0.08) && this.#past.length > 0 ? random.pick(this.#past) : null;
      if (before) repeatedLater += 1;
      const asked = before ?? this.#asked();
      requests.push(this.#send(asked));
      if (!before) this.#past.push(asked);
      if (requests.length === size || !random.chance(0.06)) continue;
      requests.push(this.#send(asked));
      repeatedAtOnce += 1;
    }
    const isReordered = requests.length > 1 && random.chance(0.3);
    if (isReordered) shuffle(requests, random);
    const faults = random.chance(0.6) ? [planFault(random)] : [];
    if (faults.length > 0 && random.chance(0.2)) faults.push(planFault(random));
    return { requests, faults, repeatedLater, repeatedAtOnce, isReordered };
  }

  #asked(): Pick<Request, "operation" | "key"> {
    const { random } = this;
    const operation = random.pick(DRAWN)(this);
    // Made twice, a hold could not be told from the other one by its reference.
    if (operation.kind === "hold") return { operation, key: operation.reference };
    if (KEYLESS.has(operation.kind) || random.chance(0.45)) return { operation, key: null };
    const isTaken = this.#keys > 0 && random.chance(0.03);
    if (isTaken) return { operation, key: `key-${random.below(this.#keys)}` };
    this.#keys += 1;
    return { operation, key: `key-${this.#keys - 1}` };
  }

  #send({ operation, key }: Pick<Request, "operation" | "key">): PlannedRequest {
    const fingerprint = createHash("sha256").update(show(operation)).digest("hex");
    return { number: this.nextNumber(), operation, key, fingerprint, server: this.random.below(2) };
  }

  transfers() {
    return this.#transfers.list(this.#startedAt);
  }

  someAccounts(): string[] {
    return Array.from({ length: 1 + this.random.below(5) }, () => this.random.pick(this.#world)[0]);
  }

  /** Mostly one that was opened for it; the few that everything goes through must stay open. */
  closing(): string {
    const { random } = this;
    if (this.#opened.length > 0 && random.chance(0.8)) return random.pick(this.#opened).id;
    return random.pick(this.#world.filter(([, { role }]) => role !== "general"))[0];
  }

  accounts(): AccountRequest[] {
    return Array.from({ length: 1 + this.random.below(3) }, () => this.#account());
  }

  #account(): AccountRequest {
    const { random } = this;
    const owner = random.chance(0.4) ? random.pick(USERS) : null;
    const fresh: AccountRequest = {
      ...{ id: random.uuid(), asset: "USD", owner, metadata: null },
      ...{ debitAllowance: random.pick([null, 0n]), creditAllowance: random.pick([null, null, 0n]) },
    };
    if (this.#opened.length > 0 && random.chance(0.4)) {
      const known = random.pick(this.#opened);
      const changes: Partial<AccountRequest>[] = [
        {},
        ...[{ asset: "CAP" }, { owner: "somebody" }, { metadata: { other: 1 } }],
        { debitAllowance: known.debitAllowance === null ? 0n : null },
      ];
      return { ...known, ...random.pick(changes) };
    }
    if (random.chance(0.2)) {
      const wrong: Partial<AccountRequest>[] = [
        ...[{ asset: "NONE" }, { asset: "TST" }, { asset: "CAP", debitAllowance: null }],
        { id: this.#world.find(([, { role }]) => role === "issuance")?.[0] ?? "", asset: "CAP", owner: null },
      ];
      return { ...fresh, ...random.pick(wrong) };
    }
    this.#opened.push(fresh);
    const kind = { ...fresh, role: owner === null ? ("general" as const) : ("available" as const) };
    if (random.chance(0.5)) {
      this.#transfers.add(fresh.id, kind);
      this.#world.push([fresh.id, kind]);
    }
    return fresh;
  }

  grant(): Operation {
    const { random } = this;
    const amount = random.pick(["40", "120.5", "600", "0", "2000000"]);
    const asset = random.pick(["TST", "TST", "TST", "TST", "USD", "NONE"]);
    return { kind: "grant", userId: this.#user(), asset, amount: asset === "USD" ? "0.4" : amount };
  }

  lock(): Operation {
    const { random } = this;
    return {
      ...{ kind: "lock", userId: this.#user(), agreementId: random.pick(AGREEMENTS) },
      amount: random.pick([5n, 10n, 15n, 60n, 300n]) * ONE + BigInt(random.below(3)),
      durationDays: this.days(),
      counterpartyId: random.chance(0.7) ? this.#user() : undefined,
    };
  }

  party() {
    return { agreementId: this.random.pick(AGREEMENTS), caller: this.#user() };
  }

  staker() {
    return { userId: this.#user(), strategyId: this.random.pick(STRATEGIES) };
  }

  entity() {
    const { random } = this;
    const entityType = random.chance(0.02) ? 9 : random.pick([1, 2, 3]);
    return { userId: this.#user(), entityType, entityId: random.pick(["e1", "e2"]) };
  }

  hold(): Operation {
    const { random } = this;
    this.#holds += 1;
    return {
      ...{ kind: "hold", userId: this.#user(), entityType: random.pick([1, 2, 3]) },
      ...{ units: random.pick([1, 1, 2, 4]), ttlSeconds: random.pick([5, 20, 3_600, 86_400]) },
      reference: `hold-${this.#holds}`,
    };
  }

  /** One of the last few. */
  held() {
    return { reference: `hold-${Math.max(1, this.#holds - this.random.below(8))}` };
  }

  maybe(numbers: readonly number[]): number | undefined {
    return this.random.chance(0.3) ? undefined : this.random.pick(numbers);
  }

  days(): number {
    return this.random.pick([1, 1, 7, 30, 365]);
  }

  /** One has nothing, and is asked for seldom. */
  #user(): string {
    return this.random.pick(this.random.chance(0.1) ? USERS : USERS.slice(0, 3));
  }
}

function shuffle(items: unknown[], random: Random): void {
  for (let at = items.length - 1; at > 0; at--) {
    const other = random.below(at + 1);
    [items[at], items[other]] = [items[other], items[at]];
  }
}

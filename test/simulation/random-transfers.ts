/** Random lists of transfers over a small world, with every mistake a client can make. */
import type { TransferRequest } from "#ledger";
import type { Random } from "../support/random.ts";
import type { ModelAccountKind } from "./model/model-ledger.ts";

export type WorldAccount = readonly [id: string, account: ModelAccountKind];

const ABYSS = "abyss";

/** Two assets (one with a capped supply), accounts of each kind of limit, some with owners. */
export function randomWorld(random: Random): WorldAccount[] {
  const general = { role: "general", owner: null, creditAllowance: null } as const;
  const free = { ...general, asset: "USD", debitAllowance: null };
  const bound = { ...general, asset: "USD", debitAllowance: 0n };
  const kinds: WorldAccount[1][] = [
    ...Array(8).fill(free),
    ...Array(5).fill(bound),
    ...Array(2).fill({ ...free, creditAllowance: 0n }),
    // Between these two amounts are as large as they can be.
    ...Array(2).fill({ ...free, metadata: ABYSS }),
    ...["anna", "ben"].flatMap((owner) =>
      (["available", "locked"] as const).map((role) => ({ ...bound, role, owner })),
    ),
    { ...bound, asset: "CAP", role: "issuance", debitAllowance: 500n },
    ...Array(3).fill({ ...bound, asset: "CAP" }),
  ];
  return kinds.map((account) => [random.uuid(), account] as const);
}

export class TransferMaker {
  readonly #random: Random;
  readonly #accounts: WorldAccount[];
  readonly #past: TransferRequest[] = [];

  constructor(random: Random, accounts: readonly WorldAccount[]) {
    this.#random = random;
    this.#accounts = [...accounts];
  }

  /** From now on it is used like the others. */
  add(id: string, account: ModelAccountKind): void {
    this.#accounts.push([id, account]);
  }

  /** Mostly one element, sometimes a chain or several chains; now and then one that stays open. */
  list(now: number): TransferRequest[] {
    const random = this.#random;
    if (this.#past.length > 0 && random.chance(0.05)) return [random.pick(this.#past)];
    if (random.chance(0.002)) return this.#tooLong();
    const length = random.chance(0.6) ? 1 : 1 + random.below(6);
    const requests = Array.from({ length }, (_, at): TransferRequest => {
      const linked = at < length - 1 ? random.chance(0.5) : random.chance(0.02);
      return { ...this.#one(now), ...(linked ? { linked } : {}) };
    });
    this.#past.push(...requests);
    return requests;
  }

  #tooLong(): TransferRequest[] {
    const [from, to] = [this.#movement(this.#random.uuid()), 501];
    return Array.from({ length: to + 1 }, (_, at) => ({ ...from, id: this.#random.uuid(), linked: at < to }));
  }

  #one(now: number): TransferRequest {
    const random = this.#random;
    const again = this.#past.length > 0 && random.chance(0.15) ? random.pick(this.#past) : null;
    if (again && random.chance(0.2)) return without(again, "linked");
    if (again && random.chance(0.8)) return this.#changed(again, now);
    const id = again?.id ?? random.uuid();
    const request = random.chance(0.25) ? this.#resolution(id) : this.#movement(id);
    const extras: Partial<TransferRequest>[] = [
      { code: random.pick(["sale", "fee"]) },
      { reference: random.pick(["r1", "r2"]) },
      { metadata: { n: random.below(3), list: [null, "x"] } },
      { effectiveAt: now - random.below(1_000) },
      { effectiveAt: now + 1_000_000_000 },
      { pendingId: random.uuid() },
      { pendingId: id },
      { timeoutSeconds: 1 + random.below(20) },
      { amount: 0n },
      { debitAccount: random.uuid() },
    ];
    const chances = [0.2, 0.1, 0.1, 0.1, 0.01, 0.02, 0.01, 0.01, 0.01, 0.01];
    for (const [at, extra] of extras.entries())
      if (random.chance(chances[at] ?? 0)) Object.assign(request, extra);
    return request;
  }

  /** The same request but for one member. */
  #changed(request: TransferRequest, now: number): TransferRequest {
    const random = this.#random;
    const changes: Partial<TransferRequest>[] = [
      { phase: random.pick(["single", "pending", "post", "void"] as const) },
      { pendingId: random.uuid() },
      { linked: request.linked !== true },
      { debitAccount: random.pick(this.#accounts)[0] },
      { creditAccount: random.pick(this.#accounts)[0] },
      { amount: BigInt(1 + random.below(60)) },
      { balancing: random.pick(["debit", "credit"] as const) },
      { code: random.pick(["sale", "fee", "other"]) },
      { timeoutSeconds: 1 + random.below(30) },
      { effectiveAt: now - random.below(1_000) },
      { reference: random.pick(["r1", "r2", "r3"]) },
      { metadata: { n: random.below(3) } },
    ];
    return { ...request, ...random.pick(changes) };
  }

  #movement(id: string): TransferRequest {
    const random = this.#random;
    const [debitAccount, { asset, metadata }] = random.pick(this.#payers());
    // Mostly within one asset, or little would succeed.
    const others = this.#accounts.filter(
      ([id, other]) =>
        (other.asset === asset && other.metadata === metadata && id !== debitAccount) || random.chance(0.02),
    );
    const [creditAccount] = random.pick(others);
    const amount = metadata === ABYSS ? 2n ** 128n - 1n : BigInt(1 + random.below(60));
    const request: TransferRequest = { id, debitAccount, creditAccount, amount };
    if (random.chance(0.15)) {
      const balancing = { ...request, balancing: random.pick(["debit", "credit"] as const) };
      return random.chance(0.5) ? without(balancing, "amount") : balancing;
    }
    if (random.chance(0.35)) {
      const pending = { ...request, phase: "pending" as const };
      return random.chance(0.7) ? { ...pending, timeoutSeconds: 1 + random.below(30) } : pending;
    }
    return random.chance(0.1) ? { ...request, phase: "single" } : request;
  }

  /** Mostly those who can pay; sometimes the one who may not issue more than there may be. */
  #payers(): readonly WorldAccount[] {
    const random = this.#random;
    if (random.chance(0.06))
      return this.#accounts.filter(([, { role, asset }]) => role === "issuance" && asset === "CAP");
    return random.chance(0.5)
      ? this.#accounts.filter(([, { debitAllowance }]) => debitAllowance === null)
      : this.#accounts;
  }

  #resolution(id: string): TransferRequest {
    const random = this.#random;
    const pendings = this.#past.filter(({ phase }) => phase === "pending");
    const named = pendings.length > 0 && random.chance(0.9) ? random.pick(pendings.slice(-30)) : undefined;
    const pending = named ?? (this.#past.length > 0 ? random.pick(this.#past) : undefined);
    const request: TransferRequest = {
      id,
      phase: random.pick(["post", "void"] as const),
      pendingId: random.chance(0.95) && pending ? pending.id : random.uuid(),
    };
    if (random.chance(0.02)) return without(request, "pendingId");
    const { amount = 10n, debitAccount, creditAccount } = pending ?? {};
    const amounts = [amount, amount > 1n ? amount - 1n : 1n, amount + 1n, 1n];
    return {
      ...request,
      ...(random.chance(0.4) ? { amount: random.pick(amounts) } : {}),
      ...(random.chance(0.1) && debitAccount ? { debitAccount } : {}),
      ...(random.chance(0.1) && creditAccount ? { creditAccount } : {}),
      ...(random.chance(0.03) ? { debitAccount: random.pick(this.#accounts)[0] } : {}),
      ...(random.chance(0.03) ? { creditAccount: random.pick(this.#accounts)[0] } : {}),
      ...(random.chance(0.02) ? { balancing: "debit" as const } : {}),
    };
  }
}

function without(request: TransferRequest, member: "linked" | "amount" | "pendingId"): TransferRequest {
  const { [member]: _, ...rest } = request;
  return rest as TransferRequest;
}

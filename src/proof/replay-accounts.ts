/**
 * Accounts and holds as the transfers of a journal make them: posted and pending
 * totals of each side, and the pending transfers that are still open. Refuses a
 * transfer that cannot follow the ones before it.
 */
import { U128_LIMIT } from "./bytes.ts";
import type { TransferLine } from "./journal-line.ts";
import { ReplayError } from "./replay-error.ts";

export interface ReplayedAccount {
  readonly id: string;
  readonly asset: string;
  debitsPosted: bigint;
  creditsPosted: bigint;
  debitsPending: bigint;
  creditsPending: bigint;
}

interface Hold {
  readonly debit: ReplayedAccount;
  readonly credit: ReplayedAccount;
  readonly amount: bigint;
}

export class ReplayAccounts {
  readonly #accounts = new Map<string, ReplayedAccount>();
  readonly #holds = new Map<string, Hold>();
  readonly #closed = new Set<string>();

  get(id: string): Readonly<ReplayedAccount> | undefined {
    return this.#accounts.get(id);
  }

  get size(): number {
    return this.#accounts.size;
  }

  /** Pending transfers that nothing has resolved yet. */
  get openHolds(): number {
    return this.#holds.size;
  }

  /** The account, made at its first mention; an account holds one asset for ever. */
  touch(id: string, asset: string, seq: bigint): ReplayedAccount {
    const known = this.#accounts.get(id);
    if (known) {
      if (known.asset !== asset)
        throw new ReplayError(seq, `account ${id} holds ${known.asset}, not ${asset}`);
      return known;
    }
    const fresh = { id, asset, debitsPosted: 0n, creditsPosted: 0n, debitsPending: 0n, creditsPending: 0n };
    this.#accounts.set(id, fresh);
    return fresh;
  }

  isClosed(id: string): boolean {
    return this.#closed.has(id);
  }

  /** Once, with a posted balance of zero and nothing held from it; an account that no line has named yet has that. */
  close(id: string, seq: bigint): void {
    if (this.#closed.has(id)) throw new ReplayError(seq, `closes account ${id} a second time`);
    const known = this.#accounts.get(id);
    if (known && known.debitsPosted !== known.creditsPosted)
      throw new ReplayError(seq, `closes account ${id} with a balance`);
    if (known && known.debitsPending !== 0n)
      throw new ReplayError(seq, `closes account ${id} while something is held from it`);
    this.#closed.add(id);
  }

  /** Answers the two accounts where posted balances moved, nothing where only a hold did. */
  transfer(line: TransferLine): readonly ReplayedAccount[] {
    const { seq, amount } = line;
    if (line.debit === line.credit) throw new ReplayError(seq, "debits and credits the same account");
    if (line.phase !== "void" && line.phase !== "expire") this.#requireOpen(line);
    if (line.phase === "pending") {
      if (this.#holds.has(line.id)) throw new ReplayError(seq, `pending transfer ${line.id} is open already`);
      const debit = this.touch(line.debit, line.asset, seq);
      const credit = this.touch(line.credit, line.asset, seq);
      if (debit.debitsPending + amount >= U128_LIMIT) throw new ReplayError(seq, "overflows 128 bits");
      this.#hold({ debit, credit, amount }, amount);
      this.#holds.set(line.id, { debit, credit, amount });
      return [];
    }
    if (line.phase !== "single") this.#resolve(line);
    if (line.phase === "void" || line.phase === "expire") return [];
    const debit = this.touch(line.debit, line.asset, seq);
    const credit = this.touch(line.credit, line.asset, seq);
    if (debit.debitsPosted + amount >= U128_LIMIT || credit.creditsPosted + amount >= U128_LIMIT)
      throw new ReplayError(seq, "overflows 128 bits");
    debit.debitsPosted += amount;
    credit.creditsPosted += amount;
    return [debit, credit];
  }

  #requireOpen({ seq, debit, credit }: TransferLine): void {
    const closed = [debit, credit].find((id) => this.#closed.has(id));
    if (closed !== undefined) throw new ReplayError(seq, `names account ${closed}, which is closed`);
  }

  /** A post may be for less than was held; what is left is set free with it. */
  #resolve(line: TransferLine): void {
    const pendingId = line.pendingId ?? "";
    const hold = this.#holds.get(pendingId);
    if (!hold) throw new ReplayError(line.seq, `resolves ${pendingId}, which is no open pending transfer`);
    if (hold.debit.id !== line.debit || hold.credit.id !== line.credit || hold.debit.asset !== line.asset)
      throw new ReplayError(
        line.seq,
        `names other accounts or another asset than the pending transfer ${pendingId}`,
      );
    const fits = line.phase === "post" ? line.amount <= hold.amount : line.amount === hold.amount;
    if (!fits)
      throw new ReplayError(line.seq, `has an amount of ${line.amount} for a hold of ${hold.amount}`);
    this.#hold(hold, -hold.amount);
    this.#holds.delete(pendingId);
  }

  #hold(hold: Hold, amount: bigint): void {
    hold.debit.debitsPending += amount;
    hold.credit.creditsPending += amount;
  }
}

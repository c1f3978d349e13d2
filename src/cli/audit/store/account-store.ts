/**
 * The accounts of a journal as its transfers make them, in 64 bytes each beside
 * their ids, and the holds that are still open. Refuses a transfer that cannot
 * follow the ones before it, in the words of `ReplayState`, which says the same
 * with objects and is the oracle that tests hold this against.
 */
import { ReplayError, type TransferLine } from "#proof";
import { IdTable } from "./id-table.ts";
import { RecordTable, readU128At, writeU128At } from "./record-table.ts";

const RECORD_BYTES = 64;
const [DEBITS_POSTED, CREDITS_POSTED, DEBITS_PENDING, ASSET, FLAGS, POSITION, HOME] = [
  0, 16, 32, 48, 52, 56, 60,
];
const CLOSED = 1;
/** Some line has said which asset it holds. */
const HAS_ASSET = 2;
const U128_LIMIT = 1n << 128n;

interface Hold {
  readonly debit: number;
  readonly credit: number;
  readonly amount: bigint;
}

/** What happens to an account's posted balance is announced before it happens. */
export type BeforeMove = (account: number) => void;

export class AccountStore {
  readonly ids = new IdTable();
  readonly assets = new IdTable();
  readonly records = new RecordTable(RECORD_BYTES);
  readonly holds = new Map<string, Hold>();

  get bytes(): number {
    return this.ids.bytes + this.records.bytes;
  }

  creditsPosted(account: number): bigint {
    return readU128At(this.records.page(account), this.records.offset(account) + CREDITS_POSTED);
  }

  debitsPosted(account: number): bigint {
    return readU128At(this.records.page(account), this.records.offset(account) + DEBITS_POSTED);
  }

  asset(account: number): number {
    return this.records.page(account).readUInt32BE(this.records.offset(account) + ASSET);
  }

  /** The number of the account's position, or -1. */
  position(account: number): number {
    return this.records.page(account).readUInt32BE(this.records.offset(account) + POSITION) - 1;
  }

  setPosition(account: number, position: number): void {
    this.records.page(account).writeUInt32BE(position + 1, this.records.offset(account) + POSITION);
  }

  /** The account that this one's amount belongs to, or -1: `MoveRule` says which and why. */
  home(account: number): number {
    return this.records.page(account).readUInt32BE(this.records.offset(account) + HOME) - 1;
  }

  setHome(account: number, home: number): void {
    this.records.page(account).writeUInt32BE(home + 1, this.records.offset(account) + HOME);
  }

  /** The account's number, whether a line has named it before or not. */
  number(id: string): number {
    return this.#intern(id);
  }

  isClosed(account: number): boolean {
    return this.#has(account, CLOSED);
  }

  /** The account, made at its first mention; an account holds one asset for ever. */
  touch(id: string, assetCode: string, seq: bigint): number {
    return this.#hasAsset(this.#intern(id), assetCode, seq);
  }

  #hasAsset(account: number, assetCode: string, seq: bigint): number {
    const asset = this.assets.intern(assetCode);
    if (!this.#has(account, HAS_ASSET)) {
      this.records.page(account).writeUInt32BE(asset, this.records.offset(account) + ASSET);
      this.#set(account, HAS_ASSET);
    } else if (this.asset(account) !== asset)
      throw new ReplayError(
        seq,
        `account ${this.ids.text(account)} holds ${this.assets.text(this.asset(account))}, not ${assetCode}`,
      );
    return account;
  }

  /** Once, with a posted balance of zero and nothing held from it; an account that no line has named yet has that. */
  close(id: string, seq: bigint): void {
    const account = this.#intern(id);
    if (this.#has(account, CLOSED)) throw new ReplayError(seq, `closes account ${id} a second time`);
    if (this.debitsPosted(account) !== this.creditsPosted(account))
      throw new ReplayError(seq, `closes account ${id} with a balance`);
    if (this.#debitsPending(account) !== 0n)
      throw new ReplayError(seq, `closes account ${id} while something is held from it`);
    this.#set(account, CLOSED);
  }

  /** @param beforeMove told of both accounts where posted balances are about to move */
  transfer(line: TransferLine, beforeMove: BeforeMove): void {
    const { seq, amount, phase } = line;
    if (line.debit === line.credit) throw new ReplayError(seq, "debits and credits the same account");
    const [debit, credit] = [this.#intern(line.debit), this.#intern(line.credit)];
    if (phase !== "void" && phase !== "expire") this.#requireOpen(line, debit, credit);
    if (phase === "pending") {
      this.#open(line, debit, credit);
      return;
    }
    if (phase !== "single") this.#resolve(line, debit, credit);
    if (phase === "void" || phase === "expire") return;
    this.#hasAsset(debit, line.asset, seq);
    this.#hasAsset(credit, line.asset, seq);
    beforeMove(debit);
    beforeMove(credit);
    this.#add(debit, DEBITS_POSTED, amount, seq);
    this.#add(credit, CREDITS_POSTED, amount, seq);
  }

  #requireOpen({ seq }: TransferLine, debit: number, credit: number): void {
    for (const account of [debit, credit])
      if (this.#has(account, CLOSED))
        throw new ReplayError(seq, `names account ${this.ids.text(account)}, which is closed`);
  }

  #open(line: TransferLine, debit: number, credit: number): void {
    if (this.holds.has(line.id))
      throw new ReplayError(line.seq, `pending transfer ${line.id} is open already`);
    this.#hasAsset(debit, line.asset, line.seq);
    this.#hasAsset(credit, line.asset, line.seq);
    if (this.#debitsPending(debit) + line.amount >= U128_LIMIT)
      throw new ReplayError(line.seq, "overflows 128 bits");
    this.#hold(debit, line.amount);
    this.holds.set(line.id, { debit, credit, amount: line.amount });
  }

  /** A post may be for less than was held; what is left is set free with it. */
  #resolve(line: TransferLine, debit: number, credit: number): void {
    const pendingId = line.pendingId ?? "";
    const hold = this.holds.get(pendingId);
    if (!hold) throw new ReplayError(line.seq, `resolves ${pendingId}, which is no open pending transfer`);
    if (
      hold.debit !== debit ||
      hold.credit !== credit ||
      this.assets.text(this.asset(hold.debit)) !== line.asset
    )
      throw new ReplayError(
        line.seq,
        `names other accounts or another asset than the pending transfer ${pendingId}`,
      );
    const fits = line.phase === "post" ? line.amount <= hold.amount : line.amount === hold.amount;
    if (!fits)
      throw new ReplayError(line.seq, `has an amount of ${line.amount} for a hold of ${hold.amount}`);
    this.#hold(hold.debit, -hold.amount);
    this.holds.delete(pendingId);
  }

  #debitsPending(account: number): bigint {
    return readU128At(this.records.page(account), this.records.offset(account) + DEBITS_PENDING);
  }

  #hold(debit: number, amount: bigint): void {
    const [page, at] = [this.records.page(debit), this.records.offset(debit) + DEBITS_PENDING];
    writeU128At(page, at, readU128At(page, at) + amount);
  }

  #add(account: number, column: number, amount: bigint, seq: bigint): void {
    const [page, at] = [this.records.page(account), this.records.offset(account) + column];
    const total = readU128At(page, at) + amount;
    if (total >= U128_LIMIT) throw new ReplayError(seq, "overflows 128 bits");
    writeU128At(page, at, total);
  }

  #intern(id: string): number {
    const account = this.ids.intern(id);
    if (account === this.records.length) this.records.append();
    return account;
  }

  #has(account: number, flag: number): boolean {
    return (this.records.page(account).readUInt32BE(this.records.offset(account) + FLAGS) & flag) !== 0;
  }

  #set(account: number, flag: number): void {
    const [page, at] = [this.records.page(account), this.records.offset(account) + FLAGS];
    page.writeUInt32BE(page.readUInt32BE(at) | flag, at);
  }
}

/**
 * TST moves between the accounts of one user alone: the treasury gives to balances,
 * a user's balance fills the user's locks, stakes, reservations and payouts and gets
 * back what was in them, claims take payouts off the books. The journal names no
 * users; but whatever is not a balance was filled from one, and belongs to that one
 * for ever: its home. So this holds for those without a wallet, too. The one way
 * from a balance to another is from what a wallet brought in to the user who has
 * linked that wallet.
 *
 * Homes are kept in the accounts' records. The line of a new position stands behind
 * the transfer that fills it; only what waits for its line is kept beside.
 */
import type { Hex, PositionLine, TransferLine } from "#proof";
import { ZERO_ADDRESS } from "#proof";
import { Lie } from "../checks.ts";
import type { BookReplay } from "../store/book-replay.ts";

/** The asset that no user can give to another. */
const BOUND_ASSET = "TST";
const GENESIS = "genesis";
const CLAIMED = "withdrawal_claimed";

export interface MoveRuleJson {
  /** The account that everything came to at the beginning; it gives to everybody. */
  readonly treasury: string | null;
  /** Accounts that were filled and have no position yet, each with the line that did it. */
  readonly unplaced: readonly (readonly [account: string, seq: string])[];
}

/** What a position's line says of it. */
type Place = Pick<PositionLine, "section" | "key" | "owner">;

export class MoveRule {
  readonly #replay: BookReplay;
  /** Key of the user who has a wallet, linked or announced. */
  readonly #userOf: (wallet: Hex) => Hex | null;
  #treasury: string | null;
  readonly #unplaced = new Map<string, bigint>();

  constructor(replay: BookReplay, userOf: (wallet: Hex) => Hex | null, json?: MoveRuleJson) {
    this.#replay = replay;
    this.#userOf = userOf;
    this.#treasury = json?.treasury ?? null;
    for (const [account, seq] of json?.unplaced ?? []) this.#unplaced.set(account, BigInt(seq));
  }

  toJson(): MoveRuleJson {
    return {
      treasury: this.#treasury,
      unplaced: [...this.#unplaced].map(([account, seq]) => [account, `${seq}`]),
    };
  }

  /** Who gives to everybody, for whoever reads the result: nobody's own position may be that. */
  summary(): string {
    const treasury = this.#treasury === null ? -1 : this.#replay.accounts.ids.find(this.#treasury);
    const giver = treasury < 0 ? "" : `; the treasury, which gives to all, is ${this.#name(treasury)}`;
    return `no ${this.#replay.asset} went from a user to another${giver}`;
  }

  /** Whether the book's asset is one that this is about. */
  get isBound(): boolean {
    return this.#replay.asset === BOUND_ASSET;
  }

  /**
   * Before the line is applied; lines of other assets are none of it.
   * @param custody where everything comes from; that it does so rightly others see to
   */
  transfer(line: TransferLine, custody: string | null): void {
    const { phase, code, debit, credit, seq } = line;
    if (!this.isBound || (phase !== "single" && phase !== "post")) return;
    const { accounts } = this.#replay;
    const [from, to] = [accounts.number(debit), accounts.number(credit)];
    if (debit === custody) {
      if (code === GENESIS && this.#treasury === null) {
        this.#treasury = credit;
        accounts.setHome(to, to);
      } else if (this.#homeOf(to) < 0 && accounts.position(to) < 0) this.#expect(line, to, to);
      return;
    }
    if (credit === custody && code === CLAIMED) return;
    if (credit === custody) throw this.#refused(line, "off the books");
    if (this.#sectionOf(from) === "payouts") throw this.#refused(line, `to ${this.#name(to)}`);
    const home = this.#homeOf(from);
    if (home < 0)
      throw new Lie(
        "moves",
        { line: seq },
        `takes ${line.amount} from ${this.#name(from)}, where nothing came in`,
      );
    if (debit === this.#treasury ? this.#isGiven(line, to, home) : this.#isOwn(line, from, to, home)) return;
    throw this.#refused(line, `to ${this.#name(to)}: not the same user's`);
  }

  /** Before the line is applied. */
  position(line: PositionLine): void {
    if (!this.isBound || line.asset !== this.#replay.asset) return;
    const { accounts } = this.#replay;
    const account = accounts.ids.find(line.account);
    if (account < 0 || accounts.home(account) < 0) return;
    if (this.#isPlaced(account, line, line.seq)) this.#unplaced.delete(line.account);
  }

  /** When an epoch's lines are all there. @throws Lie */
  closing(): void {
    const { accounts, positions } = this.#replay;
    for (const [id, seq] of this.#unplaced) {
      const position = this.#replay.positionOf(id);
      const place = position !== undefined && {
        ...{ section: positions.section(position), key: positions.key(position) },
        owner: positions.meta(position).owner,
      };
      if (place && this.#isPlaced(accounts.number(id), place, seq)) continue;
      throw new Lie("moves", { line: seq }, `fills account ${id}, which has no position`);
    }
    this.#unplaced.clear();
  }

  /** From the treasury: to a balance, or its own payouts. */
  #isGiven(line: TransferLine, to: number, treasury: number): boolean {
    const home = this.#homeOf(to);
    if (home >= 0) return home === to || home === treasury;
    // A balance, or the treasury's payouts: its position will say which.
    if (this.#replay.accounts.position(to) < 0) this.#expect(line, to, to);
    else this.#bind(line, to, treasury);
    return true;
  }

  #isOwn(line: TransferLine, from: number, to: number, home: number): boolean {
    const target = this.#homeOf(to);
    if (target === home) return true;
    if (target >= 0) return target === to && this.#isTakenOver(from, this.#keyOf(to));
    this.#bind(line, to, home);
    return true;
  }

  /** From what a wallet brought in to the balance of the user who has that wallet. */
  #isTakenOver(from: number, key: Hex | null): boolean {
    const position = this.#replay.accounts.position(from);
    if (position < 0 || this.#replay.positions.section(position) !== "balances") return false;
    const { owner } = this.#replay.positions.meta(position);
    return owner !== ZERO_ADDRESS && key !== null && this.#userOf(owner) === key;
  }

  #bind(line: TransferLine, account: number, home: number): void {
    const position = this.#replay.accounts.position(account);
    if (position < 0) {
      this.#expect(line, account, home);
      return;
    }
    const { positions } = this.#replay;
    const place = { section: positions.section(position), key: positions.key(position) };
    this.#replay.accounts.setHome(account, home);
    if (!this.#isPlaced(account, { ...place, owner: positions.meta(position).owner }, line.seq))
      this.#unplaced.set(this.#replay.accounts.ids.text(account), line.seq);
  }

  /** A home of its own: it has to turn out to be a balance. */
  #expect({ seq }: TransferLine, account: number, home: number): void {
    const { accounts } = this.#replay;
    accounts.setHome(account, home);
    this.#unplaced.set(accounts.ids.text(account), seq);
  }

  /**
   * Holds a position against the home of its account.
   * @returns false where that home has no position yet
   * @throws Lie where it is somebody else's
   */
  #isPlaced(account: number, { section, key, owner }: Place, seq: bigint): boolean {
    const { accounts } = this.#replay;
    const home = accounts.home(account);
    if (section === "balances") {
      if (home !== account && !this.#isTakenOver(home, key))
        throw new Lie("moves", { line: seq }, `makes a balance of what came from ${this.#name(home)}`);
      return true;
    }
    if (home === account) {
      const treasury = this.#treasury === null ? -1 : accounts.number(this.#treasury);
      if (section !== "payouts" || treasury < 0)
        throw new Lie("moves", { line: seq }, `makes ${section} of what the treasury gave`);
      accounts.setHome(account, treasury);
      return this.#isPlaced(account, { section, key, owner }, seq);
    }
    const position = accounts.position(home);
    if (position < 0) return false;
    const user = this.#replay.positions.key(position);
    const isTheirs =
      (section !== "payouts" || key === user) &&
      (owner === ZERO_ADDRESS ||
        owner === this.#replay.positions.meta(position).owner ||
        this.#userOf(owner) === user);
    if (isTheirs) return true;
    throw new Lie(
      "moves",
      { line: seq },
      `gives ${section} that were filled from ${this.#name(home)} to ${section === "payouts" && key !== user ? `the key ${key}` : owner}`,
    );
  }

  /** A balance is its own; -1 where nothing came in yet. */
  #homeOf(account: number): number {
    return this.#sectionOf(account) === "balances" ? account : this.#replay.accounts.home(account);
  }

  #sectionOf(account: number) {
    const position = this.#replay.accounts.position(account);
    return position < 0 ? null : this.#replay.positions.section(position);
  }

  #keyOf(account: number): Hex | null {
    const position = this.#replay.accounts.position(account);
    return position < 0 ? null : this.#replay.positions.key(position);
  }

  #refused({ seq, amount, debit, code }: TransferLine, where: string): Lie {
    const from = this.#name(this.#replay.accounts.number(debit));
    return new Lie("moves", { line: seq }, `moves ${amount} base units (${code}) from ${from} ${where}`);
  }

  /** As a person finds it: section and index where it has them. */
  #name(account: number): string {
    const { accounts, positions } = this.#replay;
    const position = accounts.position(account);
    const id = accounts.ids.text(account);
    if (position >= 0) return `${positions.section(position)} ${positions.index(position)}`;
    return `account ${id}`;
  }
}

/**
 * Tokens come in by entries and go out by claims, and each moves the ledger once:
 * behind the line of an entry stands its credit, behind the line of a claim the
 * transfer that takes what was paid out of the ledger, of just that amount.
 * The credit is the depositor's: of the user who linked that wallet, or of a balance
 * that the wallet itself owns.
 * Nothing else leaves or enters the custody account: what is in the ledger is
 * what was there at the beginning, and came in since, less what was paid.
 */
import type { Header, Hex, TransferLine } from "#proof";
import type { ChainEvent } from "../chain-events.ts";
import { Lie } from "../checks.ts";
import type { BookReplay } from "../store/book-replay.ts";

const CODES = { EntryMade: "entry_credit", Claimed: "withdrawal_claimed" } as const;
const GENESIS = "genesis";

interface Expected {
  readonly code: (typeof CODES)[keyof typeof CODES];
  readonly amount: string;
  readonly seq: string;
  readonly key: string | null;
  /** Who made the entry; null of a claim. */
  readonly depositor: Depositor | null;
}

export interface Depositor {
  readonly wallet: Hex;
  /** Key of the user who has that wallet, where one has. */
  readonly user: Hex | null;
}

/** What was credited since the last closing, as long as nothing shows whose the account is: the line that opens its position may stand behind the credit. */
interface Credited extends Depositor {
  readonly account: string;
  readonly seq: string;
}

/** So many are looked at together. */
const LOOK_AT_UNPLACED = 1_024;

export interface EntryRuleJson {
  readonly expected: Expected | null;
  readonly credited: string;
  readonly claims: number;
  readonly custody: string | null;
  readonly unplaced: readonly Credited[];
}

export class EntryRule {
  /** The transfer that has to come next. */
  #expected: Expected | null = null;
  /** Number of the last direct entry that has its line. */
  #credited = 0n;
  #claims = 0;
  #custody: string | null = null;
  #unplaced: Credited[] = [];
  #lookAt = LOOK_AT_UNPLACED;

  static fromJson({ expected, credited, claims, custody, unplaced }: EntryRuleJson): EntryRule {
    const rule = new EntryRule();
    rule.#expected = expected;
    rule.#credited = BigInt(credited);
    rule.#claims = claims;
    rule.#custody = custody;
    rule.#unplaced = [...unplaced];
    return rule;
  }

  toJson(): EntryRuleJson {
    return {
      ...{ expected: this.#expected, credited: `${this.#credited}` },
      ...{ claims: this.#claims, custody: this.#custody, unplaced: this.#unplaced },
    };
  }

  get credited(): bigint {
    return this.#credited;
  }

  /** What came in comes from there; null before the first line that says so. */
  get custody(): string | null {
    return this.#custody;
  }

  get claims(): number {
    return this.#claims;
  }

  /** @param user the key of the user who has the depositor's wallet, where one has */
  entered({ args }: ChainEvent, seq: bigint, user: Hex | null): void {
    this.#requireNone(seq);
    const number = BigInt(args.seq ?? "0");
    if (number !== this.#credited + 1n)
      throw new Lie("entries", { line: seq }, `is of entry ${number}, the next is ${this.#credited + 1n}`);
    this.#credited = number;
    this.#expected = {
      ...{ code: CODES.EntryMade, amount: args.amount ?? "0", seq: `${seq}`, key: null },
      depositor: { wallet: args.depositor as Hex, user },
    };
  }

  claimed({ args }: ChainEvent, seq: bigint): void {
    this.#requireNone(seq);
    this.#claims++;
    this.#expected = {
      ...{ code: CODES.Claimed, amount: args.amount ?? "0" },
      ...{ seq: `${seq}`, key: args.key ?? null, depositor: null },
    };
  }

  /** Before the line is applied; lines of other assets are none of it. */
  transfer(line: TransferLine, replay: BookReplay): void {
    const expected = this.#expected;
    const place = { line: line.seq };
    if (expected) {
      this.#expected = null;
      if (line.code !== expected.code || line.phase !== "single" || `${line.amount}` !== expected.amount)
        throw new Lie(
          "entries",
          place,
          `behind line ${expected.seq} a transfer ${expected.code} of ${expected.amount} has to follow, it is ${line.code} of ${line.amount}`,
        );
      this.#requireCustody(expected, line);
      this.#requireKey(expected, line, replay);
      if (expected.depositor)
        this.#place({ ...expected.depositor, account: line.credit, seq: `${line.seq}` }, replay);
    } else if (line.code === CODES.EntryMade || line.code === CODES.Claimed)
      throw new Lie("entries", place, `is a transfer ${line.code} without the line of its chain event`);
    if (line.code === GENESIS && this.#custody === null) this.#custody = line.debit;
    else if (line.debit === this.#custody && line.code !== CODES.EntryMade && movesOut(line))
      throw new Lie(
        "entries",
        place,
        `takes ${line.amount} out of custody for ${line.code}, and nothing came in`,
      );
  }

  closing({ epoch, depositSeq }: Header, replay: BookReplay): void {
    this.#requireNone(undefined);
    for (const credited of this.#unplaced) requireDepositors(credited, replay);
    this.#unplaced = [];
    if (depositSeq !== this.#credited)
      throw new Lie(
        "entries",
        { epoch },
        `the header says that entries up to ${depositSeq} are credited, by the journal it is ${this.#credited}`,
      );
  }

  #place(credited: Credited, replay: BookReplay): void {
    this.#unplaced.push(credited);
    if (this.#unplaced.length < this.#lookAt) return;
    this.#unplaced = this.#unplaced.filter((one) => !isDepositors(one, replay));
    this.#lookAt = Math.max(LOOK_AT_UNPLACED, 2 * this.#unplaced.length);
  }

  #requireNone(seq: bigint | undefined): void {
    if (this.#expected)
      throw new Lie(
        "entries",
        { line: seq },
        `behind line ${this.#expected.seq} no transfer ${this.#expected.code} follows`,
      );
  }

  /** What comes in comes out of custody, what is paid goes back there; without a genesis line nobody knows which it is. */
  #requireCustody({ code }: Expected, { debit, credit, seq }: TransferLine): void {
    const side = code === CODES.EntryMade ? debit : credit;
    this.#custody ??= side;
    if (side !== this.#custody)
      throw new Lie("entries", { line: seq }, `${code} is not between custody and an account`);
  }

  #requireKey({ key, seq }: Expected, line: TransferLine, replay: BookReplay): void {
    if (key === null) return;
    const position = replay.positionOf(line.debit);
    if (
      position !== undefined &&
      replay.positions.section(position) === "payouts" &&
      replay.positions.key(position) === key
    )
      return;
    throw new Lie(
      "entries",
      { line: line.seq },
      `is not of the payouts that the claim of line ${seq} was for`,
    );
  }
}

/** @throws Lie where somebody else was credited than who brought the tokens */
function requireDepositors(credited: Credited, replay: BookReplay): void {
  if (isDepositors(credited, replay)) return;
  throw new Lie(
    "entries",
    { line: BigInt(credited.seq) },
    `credits an account that is neither the user's who linked ${credited.wallet} nor that wallet's own`,
  );
}

function isDepositors({ account, wallet, user }: Credited, replay: BookReplay): boolean {
  const { positions } = replay;
  const position = replay.positionOf(account);
  return (
    position !== undefined &&
    positions.section(position) === "balances" &&
    (positions.key(position) === user || positions.meta(position).owner === wallet)
  );
}

function movesOut({ phase }: TransferLine): boolean {
  return phase === "single" || phase === "post";
}

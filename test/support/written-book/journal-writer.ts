/**
 * The journal of a made-up book: users who are granted tokens, lock and release
 * them, and have some of them held. Always the same for a seed. Nothing of it
 * went through a ledger; it is for auditors that shall have a lot to read.
 */
import { type Hex, type JournalLine, keccak256, toHex, ZERO_ADDRESS } from "#proof";
import { createRandom, type Random } from "../random.ts";

const SUPPLY = 1_000_000n * 10n ** 18n;
const GRANT = 10n ** 15n;
/** 2023-11-14 and 2030-01-01. */
const FIRST_TIME = 1_700_000_000n;
const UNTIL = 1_893_456_000n;
const CUSTODY = account(0);
const TREASURY = account(1);
const REVENUE = account(2);
const LINES_A_SECOND = 64n;
const MOST_HOLDS = 1_000;

interface User {
  readonly account: string;
  available: bigint;
  locks: { readonly account: string; amount: bigint }[];
}

interface Hold {
  readonly id: string;
  readonly user: User;
  readonly amount: bigint;
}

/** With its place and time given by whoever asks for it. */
type Draft = JournalLine extends infer Line
  ? Line extends JournalLine
    ? Omit<Line, "seq" | "time">
    : never
  : never;

export class JournalWriter {
  readonly #random: Random;
  readonly #mostUsers: number;
  readonly #users: User[] = [];
  readonly #holds: Hold[] = [];
  #drafts: Draft[] = [];
  #accounts = 3;
  #balances = 0n;
  #locks = 0n;
  #seq = 0n;

  /** @param users how many at most */
  constructor(users: number, seed: number) {
    this.#random = createRandom(seed);
    this.#mostUsers = users;
    this.#transfer(CUSTODY, TREASURY, SUPPLY, "genesis");
    this.#position(TREASURY, "balances", this.#balances++);
  }

  next(): JournalLine {
    while (this.#drafts.length === 0) this.#act();
    const draft = this.#drafts.shift() as Draft;
    const seq = this.#seq++;
    return { ...draft, seq, time: FIRST_TIME + seq / LINES_A_SECOND } as JournalLine;
  }

  #act(): void {
    const random = this.#random;
    const known = this.#users.length;
    if (known === 0 || (known < this.#mostUsers && random.chance(0.2))) {
      this.#join();
      return;
    }
    const user = random.pick(this.#users);
    const share = random.below(10);
    if (share < 3) this.#lock(user);
    else if (share < 5) this.#release(user);
    else if (share < 8) this.#holdOrResolve(user);
    else this.#grant(user);
  }

  #join(): void {
    const user: User = { account: account(this.#accounts++), available: 0n, locks: [] };
    this.#users.push(user);
    this.#grant(user);
    this.#position(user.account, "balances", this.#balances++);
  }

  #grant(user: User): void {
    const amount = GRANT + BigInt(this.#random.below(1_000_000));
    user.available += amount;
    this.#transfer(TREASURY, user.account, amount, "grant");
  }

  #lock(user: User): void {
    const amount = user.available / 3n;
    if (amount === 0n) {
      this.#grant(user);
      return;
    }
    user.available -= amount;
    let lock = user.locks[0];
    const isNew = !lock || (user.locks.length < 4 && this.#random.chance(0.2));
    if (!lock || isNew) {
      lock = { account: account(this.#accounts++), amount: 0n };
      user.locks.unshift(lock);
    }
    lock.amount += amount;
    this.#transfer(user.account, lock.account, amount, "lock");
    if (isNew) this.#position(lock.account, "locks", this.#locks++);
  }

  #release(user: User): void {
    const lock = user.locks.at(-1);
    if (!lock || lock.amount === 0n) {
      this.#lock(user);
      return;
    }
    const amount = lock.amount;
    lock.amount = 0n;
    user.available += amount;
    this.#transfer(lock.account, user.account, amount, "release");
  }

  #holdOrResolve(user: User): void {
    if (this.#holds.length >= MOST_HOLDS || (this.#holds.length > 0 && this.#random.chance(0.5))) {
      this.#resolve();
      return;
    }
    const amount = user.available / 10n;
    if (amount === 0n) {
      this.#grant(user);
      return;
    }
    user.available -= amount;
    const id = transferId(this.#seq + BigInt(this.#drafts.length));
    this.#holds.push({ id, user, amount });
    this.#drafts.push({ ...this.#moves(user.account, REVENUE, amount, "hold"), id, phase: "pending" });
  }

  #resolve(): void {
    const [hold] = this.#holds.splice(this.#random.below(this.#holds.length), 1);
    if (!hold) return;
    const isPost = this.#random.chance(0.5);
    if (!isPost) hold.user.available += hold.amount;
    const line = this.#moves(hold.user.account, REVENUE, hold.amount, "hold");
    this.#drafts.push({ ...line, phase: isPost ? "post" : "void", pendingId: hold.id });
  }

  #transfer(debit: string, credit: string, amount: bigint, code: string): void {
    this.#drafts.push({ ...this.#moves(debit, credit, amount, code), phase: "single" });
  }

  #moves(debit: string, credit: string, amount: bigint, code: string) {
    const id = transferId(this.#seq + BigInt(this.#drafts.length));
    return { kind: "transfer", id, debit, credit, amount, code, asset: "TST" } as const;
  }

  #position(of: string, section: "balances" | "locks", index: bigint): void {
    this.#drafts.push({
      ...{ kind: "position", account: of, asset: "TST", section, index, key: keyOf(of), owner: ZERO_ADDRESS },
      ...{
        validUntil: section === "locks" ? UNTIL : 0n,
        positionKind: section === "locks" ? 2 : 0,
        quantity: 0,
      },
    });
  }
}

function account(number: number): string {
  return `0198c2a0-0000-8000-8000-${number.toString(16).padStart(12, "0")}`;
}

function transferId(seq: bigint): string {
  return `0198c2a0-1111-7000-8000-${seq.toString(16).padStart(12, "0")}`;
}

const text = new TextEncoder();

function keyOf(id: string): Hex {
  return toHex(keccak256(text.encode(id)));
}

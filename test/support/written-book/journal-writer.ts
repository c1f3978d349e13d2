/**
 * The journal of a made-up book: users who are granted tokens, lock and release
 * them, and have some of them held. Always the same for a seed. Nothing of it
 * went through a ledger; it is for auditors that shall have a lot to read.
 */
import {
  entryProof,
  type Hex,
  type JournalLine,
  keccak256,
  linkReference,
  type Section,
  toHex,
  ZERO_ADDRESS,
} from "#proof";
import { createRandom, type Random } from "../random.ts";
import type { Entry } from "./bulk-deposits.ts";

const SUPPLY = 1_000_000n * 10n ** 18n;
const GRANT = 10n ** 15n;
/** 2023-11-14 and 2030-01-01. */
const FIRST_TIME = 1_700_000_000n;
const UNTIL = 1_893_456_000n;
const CUSTODY = account(0);
const TREASURY = account(1);
const LINES_A_SECOND = 64n;
const MOST_HOLDS = 1_000;
/** Somebody new with a wallet: a grant, a balance, a withdrawal, payouts. */
const MOST_LINES_OF_AN_ACT = 4;

/** A user's wallet, and what it signs to be linked. */
export interface UserWallet {
  readonly address: Hex;
  readonly link: Hex;
}

/** The wallet of the user whose balance has this key; null for who has none. */
export type WalletOf = (userKey: Hex) => UserWallet | null;

interface User {
  readonly account: string;
  readonly key: Hex;
  readonly wallet: UserWallet | null;
  available: bigint;
  locks: Lock[];
}

interface Lock {
  readonly account: string;
  amount: bigint;
}

interface Hold {
  readonly id: string;
  readonly user: User;
  readonly amount: bigint;
  /** What it is held for. */
  readonly lock: Lock;
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
  readonly #walletOf: WalletOf;
  #drafts: Draft[] = [];
  /** Balances of those who brought tokens in, by wallet. */
  readonly #keyed = new Map<Hex, string>();
  #accounts = 2;
  #balances = 0n;
  #locks = 0n;
  #payouts = 0n;
  #seq = 0n;

  /** @param users how many at most */
  constructor(users: number, seed: number, walletOf: WalletOf = () => null) {
    this.#walletOf = walletOf;
    this.#random = createRandom(seed);
    this.#mostUsers = users;
    this.#transfer(CUSTODY, TREASURY, SUPPLY, "genesis");
    this.#position(TREASURY, "balances", this.#balances++);
  }

  /** @param left how many lines there shall be, this one among them: what belongs together is not cut apart */
  next(left = MOST_LINES_OF_AN_ACT): JournalLine {
    while (this.#drafts.length === 0)
      if (left < MOST_LINES_OF_AN_ACT && this.#users.length > 0) this.#grant(this.#random.pick(this.#users));
      else this.#act();
    const draft = this.#drafts.shift() as Draft;
    const seq = this.#seq++;
    return { ...draft, seq, time: FIRST_TIME + seq / LINES_A_SECOND } as JournalLine;
  }

  /** Whether the next line begins something new. */
  get isIdle(): boolean {
    return this.#drafts.length === 0;
  }

  /** Tokens that came in on the chain: the line of the event, and its credit to a balance that the wallet owns. Comes next. */
  enter({ txHash, logIndex, block, depositor, amount }: Entry): void {
    this.#drafts.push({
      ...{ kind: "chain", event: "EntryMade", txHash, logIndex: BigInt(logIndex), block: BigInt(block) },
    });
    const known = this.#keyed.get(depositor);
    const balance = known ?? account(this.#accounts++);
    this.#transfer(CUSTODY, balance, amount, "entry_credit");
    if (known !== undefined) return;
    this.#keyed.set(depositor, balance);
    const proof = entryProof(txHash, BigInt(logIndex));
    const wallet = { address: depositor, link: proof };
    this.#position(balance, "balances", this.#balances++, keyOf(balance), wallet, proof);
  }

  /** What no journal may have: half of what a user has goes to another. Comes next. */
  giveAway(): void {
    const [from, to] = this.#users;
    if (!from || !to) throw new Error("there are no two users yet");
    const amount = from.available / 2n;
    from.available -= amount;
    to.available += amount;
    this.#transfer(from.account, to.account, amount, "gift");
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
    const id = account(this.#accounts++);
    const key = keyOf(id);
    const user: User = { account: id, key, wallet: this.#walletOf(key), available: 0n, locks: [] };
    this.#users.push(user);
    this.#grant(user);
    this.#position(user.account, "balances", this.#balances++, key, user.wallet, user.wallet?.link);
    if (user.wallet) this.#withdraw(user);
  }

  /** A third of the first grant, so that whoever has a wallet has payouts as well. */
  #withdraw(user: User): void {
    const amount = user.available / 3n;
    user.available -= amount;
    const payouts = account(this.#accounts++);
    this.#transfer(user.account, payouts, amount, "withdrawal");
    this.#position(payouts, "payouts", this.#payouts++, user.key, user.wallet, linkReference(user.key, 1n));
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
    if (!isNew) return;
    const statement = user.wallet ? linkReference(user.key, 1n) : undefined;
    this.#position(lock.account, "locks", this.#locks++, keyOf(lock.account), user.wallet, statement);
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
    const [lock] = user.locks;
    if (!lock) {
      this.#lock(user);
      return;
    }
    user.available -= amount;
    const id = transferId(this.#seq + BigInt(this.#drafts.length));
    this.#holds.push({ id, user, amount, lock });
    this.#drafts.push({ ...this.#moves(user.account, lock.account, amount, "hold"), id, phase: "pending" });
  }

  #resolve(): void {
    const [hold] = this.#holds.splice(this.#random.below(this.#holds.length), 1);
    if (!hold) return;
    const isPost = this.#random.chance(0.5);
    if (isPost) hold.lock.amount += hold.amount;
    else hold.user.available += hold.amount;
    const line = this.#moves(hold.user.account, hold.lock.account, hold.amount, "hold");
    this.#drafts.push({ ...line, phase: isPost ? "post" : "void", pendingId: hold.id });
  }

  #transfer(debit: string, credit: string, amount: bigint, code: string): void {
    this.#drafts.push({ ...this.#moves(debit, credit, amount, code), phase: "single" });
  }

  #moves(debit: string, credit: string, amount: bigint, code: string) {
    const id = transferId(this.#seq + BigInt(this.#drafts.length));
    return { kind: "transfer", id, debit, credit, amount, code, asset: "TST" } as const;
  }

  #position(
    of: string,
    section: Section,
    index: bigint,
    key = keyOf(of),
    wallet: UserWallet | null = null,
    statement?: Hex,
  ): void {
    const isLock = section === "locks";
    this.#drafts.push({
      ...{ kind: "position", account: of, asset: "TST", section, index, key },
      owner: wallet?.address ?? ZERO_ADDRESS,
      ...{ validUntil: isLock ? UNTIL : 0n, positionKind: isLock ? 2 : 0, quantity: 0 },
      ...(statement ? { signatures: [statement] } : {}),
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

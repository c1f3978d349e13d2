/**
 * Positions change their owner by the wallets' word alone: every line that links,
 * announces, cancels or carries a wallet is held against the rules of
 * docs/wallets.md, with what the chain knows of it, and every signature is
 * checked.
 */
import { counted } from "#kernel";
import {
  type Header,
  type Hex,
  type PositionLine,
  ReplayError,
  type SignatureCheck,
  toSafeInteger,
  type WalletCancellation,
  WalletRules,
  type WalletRulesJson,
  ZERO_ADDRESS,
} from "#proof";
import { type ChainEvent, eventKey } from "../chain-events.ts";
import { Lie } from "../checks.ts";
import type { BookReplay } from "../store/book-replay.ts";
import type { BlockTime } from "./chain-lines.ts";
import type { ClosingChain } from "./line-rules.ts";

/** The book whose wallets sign. */
export interface OwnerBook {
  readonly chainId: bigint;
  readonly registry: Hex;
  readonly asset: string;
}

/** `changed`: a contract says no now, and the node has forgotten what it said then. */
export type SignatureVerdict = "signed" | "not_signed" | "changed";
export type VerifySignature = (check: SignatureCheck) => Promise<SignatureVerdict>;

export interface OwnerRuleJson {
  readonly wallets: WalletRulesJson;
  /** Of each announcement its line, and the epoch that holds it with the time of its block, once there is one. */
  readonly anchors: readonly (readonly [seq: string, epoch: string | null, time: string | null])[];
  readonly depositors: readonly (readonly [key: string, depositor: Hex])[];
  readonly checked: number;
  readonly unknown: number;
  /** Signatures of lines whose epoch was not closed yet. */
  readonly to_check: readonly ToCheckJson[];
}

type ToCheckJson = Omit<ToCheck, "seq" | "block" | "time"> &
  Readonly<Record<"seq" | "block" | "time", string>>;

interface ToCheck extends SignatureCheck {
  /** Of the line that brings it. */
  readonly time: bigint;
}

/**
 * A contract's answer is as of a block that the operator names. It has to be one of the newest final ones when the line was written:
 * an old state of the wallet may have had other signers.
 */
const NEW_WITHIN_SECONDS = 3_600n;

/** A keyed balance is opened with its first entry: the lines stand together. */
const KEEP_DEPOSITORS = 4_096;

export class OwnerRule {
  readonly #rules: WalletRules;
  /** By the number of the line that announces; null until an epoch holds it. */
  readonly #anchors = new Map<bigint, { readonly epoch: bigint; readonly time: bigint } | null>();
  /** All above the cursor, in the chain's order, and the next of them that nobody was told of. */
  #cancelled: Iterator<ChainEvent, void> = [][Symbol.iterator]();
  #nextCancelled: WalletCancellation | undefined;
  #timeOf: BlockTime = async () => null;
  readonly #depositors = new Map<string, Hex>();
  #toCheck: ToCheck[] = [];
  checked = 0;
  /** Signatures by contracts whose old state the node has forgotten. */
  unknown = 0;

  constructor(book: OwnerBook, json?: OwnerRuleJson) {
    this.#rules = new WalletRules(book, {
      anchoredAt: (seq) => this.#anchors.get(seq)?.time ?? null,
      depositorOf: (txHash, logIndex) => this.#depositors.get(eventKey({ txHash, logIndex })) ?? null,
    });
    if (!json) return;
    this.#rules.restore(json.wallets);
    for (const [seq, epoch, time] of json.anchors)
      this.#anchors.set(
        BigInt(seq),
        epoch === null || time === null ? null : { epoch: BigInt(epoch), time: BigInt(time) },
      );
    for (const [key, depositor] of json.depositors) this.#depositors.set(key, depositor);
    this.checked = json.checked;
    this.unknown = json.unknown;
    this.#toCheck = json.to_check.map(({ seq, block, time, ...check }) => ({
      ...{ ...check, seq: BigInt(seq), block: BigInt(block), time: BigInt(time) },
    }));
  }

  toJson(): OwnerRuleJson {
    return {
      wallets: this.#rules.toJson(),
      anchors: [...this.#anchors].map(([seq, held]) => [
        `${seq}`,
        ...(held ? ([`${held.epoch}`, `${held.time}`] as const) : ([null, null] as const)),
      ]),
      depositors: [...this.#depositors],
      ...{ checked: this.checked, unknown: this.unknown },
      to_check: this.#toCheck.map(({ seq, block, time, ...check }) => ({
        ...{ ...check, seq: `${seq}`, block: `${block}`, time: `${time}` },
      })),
    };
  }

  /** The chain's cancellations above a block, in its order, take the place of those that were there before. */
  async takeCancelled(events: Iterator<ChainEvent, void>, above: number, timeOf: BlockTime): Promise<void> {
    this.#rules.forgetCancelled(above);
    this.#cancelled = events;
    this.#timeOf = timeOf;
    await this.#peekCancelled();
  }

  /** Whether a line of that time has to wait for `follow`. */
  isBehind(time: bigint): boolean {
    return this.#nextCancelled !== undefined && this.#nextCancelled.time < time;
  }

  /** What was cancelled before that time counts from now on. */
  async follow(time: bigint): Promise<void> {
    while (this.#nextCancelled && this.#nextCancelled.time < time) {
      this.#rules.cancelled(this.#nextCancelled);
      await this.#peekCancelled();
    }
  }

  /** The block of the first cancellation that no line has come behind yet. */
  get nextCancelledBlock(): number {
    return this.#nextCancelled?.block ?? Number.POSITIVE_INFINITY;
  }

  async #peekCancelled(): Promise<void> {
    const { done, value } = this.#cancelled.next();
    this.#nextCancelled = undefined;
    if (done) return;
    const { args, block } = value;
    const time = await this.#timeOf(block);
    if (time === null) throw new Error(`the node does not have block ${block} any more`);
    this.#nextCancelled = { key: args.key as Hex, wallet: args.wallet as Hex, block, time };
  }

  /** Epochs after this one were vetoed. */
  reopen(epoch: bigint): void {
    for (const [seq, held] of this.#anchors) if (held && held.epoch > epoch) this.#anchors.set(seq, null);
  }

  /** Key of the user who has a wallet, linked or announced. */
  userOf(wallet: Hex): Hex | null {
    return this.#rules.userOf(wallet);
  }

  entered(event: ChainEvent): void {
    this.#depositors.set(eventKey(event), event.args.depositor as Hex);
    const [oldest] = this.#depositors.keys();
    if (this.#depositors.size > KEEP_DEPOSITORS && oldest !== undefined) this.#depositors.delete(oldest);
  }

  /** Before the line is applied. @throws Lie */
  position(line: PositionLine, replay: BookReplay): void {
    if (line.asset !== replay.asset) return;
    const position = replay.positionOf(line.account);
    const before = position === undefined ? ZERO_ADDRESS : replay.positions.meta(position).owner;
    if (line.owner === before && line.signatures?.length) this.#anchors.set(line.seq, null);
    try {
      for (const check of this.#rules.apply(line, before)) this.#toCheck.push({ ...check, time: line.time });
    } catch (error) {
      if (!(error instanceof ReplayError)) throw error;
      throw new Lie("owners", placeOf(line), error.message);
    }
  }

  /** When an epoch's lines are all there. @throws Lie; Error where a signature that must be shown to hold cannot be checked */
  async closing(
    header: Header,
    { committed, timeOf, verify, mustVerify, depth }: ClosingChain,
  ): Promise<void> {
    let unknown = 0;
    for (const check of this.#toCheck) {
      const lie = (what: string) => new Lie("owners", { epoch: header.epoch, line: check.seq }, what);
      if (check.block > BigInt(committed))
        throw lie(`${check.wallet} is asked as of block ${check.block}, which was not there yet`);
      const verdict = await verify(check);
      if (verdict === "not_signed") throw lie(`${check.wallet} did not sign what changes the owner`);
      if (!(await isNewBlock(check, depth, timeOf)))
        throw lie(`${check.wallet} is asked as of block ${check.block}, which was old then`);
      if (verdict !== "changed") continue;
      if (mustVerify)
        throw new Error(
          `whether ${check.wallet} signed what line ${check.seq} says cannot be checked: the node has forgotten block ${check.block}; use one that keeps old state`,
        );
      unknown++;
    }
    this.checked += this.#toCheck.length;
    this.unknown += unknown;
    this.#toCheck = [];
    const time = await timeOf(committed);
    if (time === null) throw new Error(`the node does not have block ${committed} any more`);
    for (const [seq, held] of this.#anchors) if (!held) this.#anchors.set(seq, { epoch: header.epoch, time });
  }

  summary(): string {
    const forgotten = this.unknown === 0 ? "" : `, ${this.unknown} of contracts are not checkable any more`;
    return `${counted(this.checked, "signature")} of wallets checked${forgotten}`;
  }
}

/** Whether the next one became final less than an hour before the line or later, or is not final yet. */
async function isNewBlock({ block, time }: ToCheck, depth: number, timeOf: BlockTime): Promise<boolean> {
  if (block === 0n) return true;
  const next = await timeOf(toSafeInteger(block + 1n, "block") + depth);
  return next === null || next + NEW_WITHIN_SECONDS >= time;
}

function placeOf({ seq, section, index }: PositionLine) {
  return { line: seq, section, index };
}

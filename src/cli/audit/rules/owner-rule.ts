/**
 * Positions change their owner by the wallets' word alone: every line that links,
 * announces, cancels or carries a wallet is held against the rules of
 * docs/wallets.md, with what the chain knows of it, and every signature is
 * checked.
 */
import { counted } from "#kernel";
import {
  type CompletedChange,
  type Header,
  type Hex,
  type PositionLine,
  ReplayError,
  type SignatureCheck,
  toSafeInteger,
  WalletRules,
  type WalletRulesJson,
  ZERO_ADDRESS,
} from "#proof";
import { type ChainEvent, eventKey } from "../chain-events.ts";
import { Lie } from "../checks.ts";
import type { BookReplay } from "../store/book-replay.ts";
import type { BlockTime, ChainLines } from "./chain-lines.ts";
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
  /** Changes that completed in such lines. */
  readonly completed: readonly CompletedJson[];
}

type ToCheckJson = Omit<ToCheck, "seq" | "block" | "time"> &
  Readonly<Record<"seq" | "block" | "time", string>>;

interface ToCheck extends SignatureCheck {
  /** Of the line that brings it. */
  readonly time: bigint;
}

interface Completed extends CompletedChange {
  /** The first block with an objection whose line came behind the one that completes; null where there is none. */
  readonly objected: number | null;
}

type CompletedJson = Omit<Completed, "seq" | "due"> & Readonly<Record<"seq" | "due", string>>;

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
  readonly #depositors = new Map<string, Hex>();
  #toCheck: ToCheck[] = [];
  #completed: Completed[] = [];
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
    this.#completed = json.completed.map((one) => ({ ...one, seq: BigInt(one.seq), due: BigInt(one.due) }));
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
      completed: this.#completed.map((one) => ({ ...one, seq: `${one.seq}`, due: `${one.due}` })),
    };
  }

  /** The journal has its line now. */
  cancelled({ block, args }: ChainEvent): void {
    const { key, wallet } = args as Readonly<Record<string, Hex>>;
    this.#rules.cancelled(key as Hex, wallet as Hex);
    this.#completed = this.#completed.map((change) =>
      isBy(args, change) && block < (change.objected ?? Number.POSITIVE_INFINITY)
        ? { ...change, objected: block }
        : change,
    );
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
      for (const check of this.#rules.apply(line, before))
        if ("due" in check) this.#completed.push({ ...check, objected: null });
        else this.#toCheck.push({ ...check, time: line.time });
    } catch (error) {
      if (!(error instanceof ReplayError)) throw error;
      throw new Lie("owners", placeOf(line), error.message);
    }
  }

  /** When an epoch's lines are all there. @throws Lie; Error where a signature that must be shown to hold cannot be checked */
  async closing(header: Header, chain: ClosingChain, lines: ChainLines): Promise<void> {
    const { committed, timeOf, verify, mustVerify, depth } = chain;
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
    for (const change of this.#completed) await requireSilence(change, header, time, lines, timeOf);
    this.#completed = [];
    for (const [seq, held] of this.#anchors) if (!held) this.#anchors.set(seq, { epoch: header.epoch, time });
  }

  summary(): string {
    const forgotten = this.unknown === 0 ? "" : `, ${this.unknown} of contracts are not checkable any more`;
    return `${counted(this.checked, "signature")} of wallets checked${forgotten}`;
  }
}

/**
 * Whoever completes a change has seen the chain beyond the time for objections, and written down what was there.
 * @param committed time of the block that commits the line's epoch: all that could have been objected in time stands before it
 */
async function requireSilence(
  change: Completed,
  { epoch }: Header,
  committed: bigint,
  lines: ChainLines,
  timeOf: BlockTime,
): Promise<void> {
  const { seq, due, previous, objected } = change;
  const lie = (what: string) => new Lie("owners", { epoch, line: seq }, what);
  if (committed < due)
    throw lie(
      `completes a change that ${previous} may object to before ${due}, in an epoch committed at ${committed}`,
    );
  const isObjection = ({ name, args }: ChainEvent) => name === "WalletCancelled" && isBy(args, change);
  const block = (await lines.withoutLine(due, isObjection, timeOf))?.block ?? objected;
  const time = block === null ? null : await timeOf(block);
  if (time !== null && time < due)
    throw lie(
      `completes a change that ${previous} has cancelled on-chain in block ${block}, without the line of that before it`,
    );
}

function isBy({ key, wallet }: ChainEvent["args"], { user, previous }: CompletedChange): boolean {
  return key === user && wallet === previous;
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

/** A journal in the making and the auditor's rules over it, on a chain that mines a block an hour. */
import { Wallet } from "ethers";
import { isSignedByKey } from "#infra";
import {
  encodeStatement,
  type Header,
  type Hex,
  type JournalLine,
  linkDigest,
  linkReference,
  ZERO_ADDRESS,
  ZERO_WORD,
} from "#proof";
import type { ChainEvent } from "../../../src/cli/audit/chain-events.ts";
import { Lie } from "../../../src/cli/audit/checks.ts";
import { type ClosingChain, LineRules, type LineRulesJson } from "../../../src/cli/audit/rules/line-rules.ts";
import type { VerifySignature } from "../../../src/cli/audit/rules/owner-rule.ts";
import { BookReplay } from "../../../src/cli/audit/store/book-replay.ts";
import { loadState, saveState } from "../../../src/cli/audit/store/state-file.ts";

export const BOOK = { chainId: 31_337n, registry: `0x${"5f".repeat(20)}` as Hex, anchorsOnly: false };
export const HOUR = 3_600n;
export const DAY = 24n * HOUR;
export const START = 1_800_000_000n;
export const [anna, ben] = [new Wallet(`0x${"a1".repeat(32)}`), new Wallet(`0x${"b2".repeat(32)}`)];
export const addressOf = (wallet: Wallet) => wallet.address.toLowerCase() as Hex;
export const keyOf = (name: string): Hex => `0x${Buffer.from(name).toString("hex").padEnd(64, "0")}`;

export type Draft = JournalLine extends infer Line
  ? Line extends JournalLine
    ? Omit<Line, "seq" | "time">
    : never
  : never;

/** A journal in the making, with the events of a chain that mines a block an hour. */
export class Scene {
  replay = new BookReplay("TST");
  rules = new LineRules(this.replay, BOOK);
  time = START;
  closing: Partial<ClosingChain> = {};
  #events: readonly ChainEvent[] = [];

  constructor(genesis = true) {
    if (genesis) this.move("custody", "treasury", 1_000n, "genesis");
  }

  add(draft: Draft): this {
    const line = { ...draft, seq: this.replay.nextSeq, time: this.time } as JournalLine;
    this.rules.apply(line);
    this.replay.apply(line);
    return this;
  }

  move(debit: string, credit: string, amount: bigint, code: string, more: object = {}): this {
    const id = `id-${this.replay.nextSeq}`;
    return this.add({
      ...{ kind: "transfer", id, phase: "single", debit, credit, asset: "TST", amount, code },
      ...more,
    });
  }

  position(
    account: string,
    section: "balances" | "locks" | "payouts",
    more: Partial<Extract<Draft, { kind: "position" }>> = {},
  ): this {
    const known = this.replay.positionOf(account);
    const index = known === undefined ? this.replay.count(section) : this.replay.positions.index(known);
    return this.add({
      ...{ kind: "position", account, asset: "TST", section, index: BigInt(index), key: keyOf(account) },
      ...{ owner: ZERO_ADDRESS, validUntil: 0n, positionKind: 0, quantity: 0 },
      ...more,
    });
  }

  async event(
    name: string,
    args: Record<string, string>,
    block = this.#events.length + 1,
  ): Promise<ChainEvent> {
    const txHash: Hex = `0x${(this.#events.length + 1).toString(16).padStart(64, "0")}`;
    const event = { block, blockHash: txHash, txHash, logIndex: 0, name, args };
    await this.chain([...this.#events, event]);
    return event;
  }

  /** From now on these are the chain's events. */
  async chain(events: readonly ChainEvent[], above = 0): Promise<this> {
    this.#events = events;
    this.rules.takeEvents(events, above);
    return this;
  }

  line(event: ChainEvent, more: object = {}): this {
    const { txHash, name } = event;
    return this.add({
      ...{ kind: "chain", block: BigInt(event.block), txHash, logIndex: BigInt(event.logIndex), event: name },
      ...more,
    });
  }

  async close(more: Partial<Header> = {}): Promise<this> {
    const closing = { depth: 1, timeOf, committed: 1, verify, ...this.closing };
    await this.rules.closing(
      { epoch: 1n, depositSeq: 0n, closedAt: this.time, journalSize: this.replay.nextSeq, ...more } as Header,
      closing,
    );
    return this;
  }

  /** As a file keeps it, with every event that is there. */
  kept(): this {
    this.rules = new LineRules(this.replay, BOOK, JSON.parse(JSON.stringify(this.rules.toJson())));
    this.rules.chain.take(this.#events, this.#events.values(), 0);
    return this;
  }

  /** Another process goes on from a file. */
  async stored(path: string): Promise<this> {
    await saveState(path, this.replay, this.rules.toJson());
    const found = await loadState<LineRulesJson>(path);
    if (!found) throw new Error("nothing was stored");
    this.replay = found.replay;
    this.rules = new LineRules(found.replay, BOOK, found.memory);
    this.rules.takeEvents(this.#events, 0);
    return this;
  }

  /** The account of Anna's, with 100 in it and her wallet linked to it; her payouts beside it. */
  linked(): this {
    return this.move("treasury", "anna", 100n, "grant")
      .position("anna", "balances", { owner: addressOf(anna), signatures: [link(anna, "anna")] })
      .position("anna-payouts", "payouts", {
        key: keyOf("anna"),
        owner: addressOf(anna),
        signatures: [linkReference(keyOf("anna"), 1n)],
      });
  }
}

export const LAST_BLOCK = 500;
export const timeOf = async (block: number) => (block > LAST_BLOCK ? null : START + BigInt(block) * HOUR);
/** What the chain says of a book that is not frozen, or since when it is. */
export const bookAt = (time: bigint, frozenAt = 0n) => ({
  ...{ block: { number: LAST_BLOCK, hash: ZERO_WORD, time }, frozenAt },
});
export const verify: VerifySignature = async (check) => (isSignedByKey(check) ? "signed" : "not_signed");

export function link(signer: Wallet, user: string, more: object = {}, by = signer, block = 0n): Hex {
  const message = {
    user: keyOf(user),
    wallet: addressOf(signer),
    previous: ZERO_ADDRESS,
    number: 1n,
    deadline: START + DAY,
    ...more,
  };
  const signature = by.signingKey.sign(linkDigest(BOOK, message)).serialized as Hex;
  return encodeStatement({ kind: "link", message, signer: "wallet", block, signature });
}

export async function lie(tell: () => unknown): Promise<Lie> {
  try {
    await tell();
  } catch (error) {
    if (error instanceof Lie) return error;
    throw error;
  }
  throw new Error("nothing was found");
}

/**
 * The nodes that an auditor was given. Nothing is taken from one alone: each is asked
 * everything, and what they say has to be the same. Two honest ones may see a new
 * block differently for a moment, so that they are asked again before one is a liar.
 */
import { setTimeout as wait } from "node:timers/promises";
import { askWallet, type Chain, recheckWalletSignature } from "#infra";
import { Lie } from "./checks.ts";
import type { BlockTime } from "./rules/chain-lines.ts";
import type { VerifySignature } from "./rules/owner-rule.ts";

/** A node, and what it is called in messages. */
export interface Node {
  readonly name: string;
  readonly chain: Chain;
}

/** So often two nodes may differ. */
export const DIFFERING = 5;
export const ASKED_AGAIN_AFTER_MS = 200;

/**
 * What all nodes say.
 * @param what is asked for, as messages name it
 * @param isNew honest nodes may differ about it for longer than anybody waits here
 * @throws Lie `rpcs` where two differ, with both answers; Error instead where it is new
 */
export async function agreed<T>(
  nodes: readonly Node[],
  what: string,
  ask: (node: Node) => Promise<T>,
  isNew = false,
): Promise<T> {
  for (let differing = 1; ; differing++) {
    const answers = await Promise.all(nodes.map(async (node) => ({ node, answer: await ask(node) })));
    const difference = differenceIn(answers, what, isNew);
    if (!difference && answers[0]) return answers[0].answer;
    if (!difference) throw new Error("no node is asked");
    if (differing === DIFFERING) throw difference;
    await wait(ASKED_AGAIN_AFTER_MS);
  }
}

export interface Answer {
  readonly node: Pick<Node, "name">;
  readonly answer: unknown;
}

/** Null where all say the same; else what `agreed` throws. */
export function differenceIn(
  [first, ...others]: readonly Answer[],
  what: string,
  isNew: boolean,
): Error | null {
  const other = others.find(({ answer }) => shown(answer) !== shown(first?.answer));
  if (!first || !other) return null;
  const differs = `${what}: ${first.node.name} says ${shown(first.answer)}, ${other.node.name} says ${shown(other.answer)}`;
  return isNew ? new Error(differs) : new Lie("rpcs", {}, differs);
}

export function shown(value: unknown): string {
  if (typeof value === "string" || typeof value === "bigint") return `${value}`;
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === "bigint" ? `${inner}` : inner));
}

/** Hash and time of a block. @throws Error where a node does not have it */
export function blockAt(
  nodes: readonly Node[],
  number: number,
  isNew = false,
): Promise<{ readonly hash: string; readonly time: number }> {
  const ask = async ({ name, chain }: Node) => {
    const block = await chain.provider.getBlock(number);
    if (!block?.hash) throw new Error(`${name} does not have block ${number} (any more)`);
    return { hash: block.hash, time: block.timestamp };
  };
  return agreed(nodes, `block ${number}`, ask, isNew);
}

/** A block that the chain has to have for ever. */
export interface KnownBlock {
  readonly block: number;
  readonly hash: string;
}

/** @throws Lie `header_chain` where a node has another one in its place; Error where it has none */
export async function requireBlock(nodes: readonly Node[], known: KnownBlock): Promise<void> {
  for (const { name, chain } of nodes) {
    const block = await chain.provider.getBlock(known.block);
    if (!block)
      throw new Error(`${name} does not have block ${known.block}, up to which was audited: it lags`);
    if (block.hash !== known.hash)
      throw new Lie(
        "header_chain",
        {},
        `${name} has another block ${known.block} (${block.hash}) than when it was audited (${known.hash}): the chain was rewritten`,
      );
  }
}

/** So many times of blocks are remembered. */
const KEEP_TIMES = 1_024;

/** Times of blocks up to the newest, each asked for once in a while; null beyond. @param depth so many of them are new */
export function blockTimes(nodes: readonly Node[], newest: number, depth: number): BlockTime {
  const known = new Map<number, bigint>();
  return async (number) => {
    if (number > newest) return null;
    const cached = known.get(number);
    if (cached !== undefined) return cached;
    const time = BigInt((await blockAt(nodes, number, number > newest - depth)).time);
    known.set(number, time);
    const [oldest] = known.keys();
    if (known.size > KEEP_TIMES && oldest !== undefined) known.delete(oldest);
    return time;
  };
}

/** A contract's answer of then is asked of every node that has the state of then; only where none has, of now. */
export function signatureVerifier(nodes: readonly Node[]): VerifySignature {
  return async (check) => {
    const { wallet, block } = check;
    if (block !== 0n) {
      const then = await Promise.all(
        nodes.map(async (node) => ({ node, says: await askWallet(node.chain, check, block) })),
      );
      const [first, ...others] = then.filter(({ says }) => says !== null);
      const other = others.find(({ says }) => says !== first?.says);
      if (first && other)
        throw new Lie(
          "rpcs",
          { line: check.seq },
          `whether ${wallet} signed, as of block ${block}: ` +
            `${first.node.name} says ${yesOrNo(first.says)}, ${other.node.name} says ${yesOrNo(other.says)}`,
        );
      if (first) return first.says ? "signed" : "not_signed";
    }
    const verdicts = await Promise.all(nodes.map(({ chain }) => recheckWalletSignature(chain, check, block)));
    const [verdict = "changed", ...others] = verdicts;
    return others.every((other) => other === verdict) ? verdict : "changed";
  };
}

function yesOrNo(says: boolean | null): string {
  return says ? "yes" : "no";
}

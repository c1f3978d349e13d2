/**
 * The sum tree beside the two Merkle libraries that JavaScript offers. Both
 * commit to hashes alone; neither carries sums, and neither can change a tree, so
 * their answer to a change is to build again. Each starts from positions. They get
 * the best case: merkletreejs the same WebAssembly Keccak (and for an update the
 * hashes of all leaves), OpenZeppelin's tree a size it can do in seconds. All
 * rates are leaves a second, so that sizes compare.
 */
import { StandardMerkleTree } from "@openzeppelin/merkle-tree";
import { MerkleTree } from "merkletreejs";
import {
  keccak256,
  LEAF_RECORD_BYTES,
  type Leaf,
  leafDomain,
  leafHasher,
  RUN_LEAVES,
  SumTree,
  toHex,
  writeLeafRecord,
  ZERO_ADDRESS,
} from "#proof";
import { buildTree } from "../src/settlement/build-tree.ts";
import { type BenchContext, type BenchResult, choose, resultOf } from "./benchmark.ts";

const UNIT = "leaves/s";
const THREADS = 2;
/** As the server keeps them. */
const KEPT_STATES = 100;
const SIZES = {
  /** OpenZeppelin's tree sorts and checks; 100,000 leaves take it tens of seconds. */
  full: { build: 100_000, million: 1_000_000, changed: 10_000, openzeppelin: 10_000, runs: 3 },
  quick: { build: 1_000, million: 2_000, changed: 100, openzeppelin: 100, runs: 1 },
} as const;

const domain = leafDomain({
  chainId: 31337n,
  custodian: `0x${"a1".repeat(20)}`,
  token: `0x${"b2".repeat(20)}`,
  section: "locks",
});

/**
 * `tree.build` with 100,000 leaves beside both libraries, `tree.build.million` with 1,000,000 beside merkletreejs, and
 * `tree.build.threads`: the same million, as bytes in memory, by two threads.
 */
export async function benchTreeBuild(context: BenchContext): Promise<BenchResult[]> {
  const sizes = choose(context, SIZES);
  const small = leavesOf(sizes.build);
  const ours = rate(sizes.build, sizes.runs, () => buildSumTree(small));
  context.log(`sum tree: ${sizes.build} leaves in ${seconds(sizes.build, ours)}`);
  const merkletreejs = rate(sizes.build, sizes.runs, () => buildMerkletreejs(hashesOf(small)));
  context.log(`merkletreejs: ${sizes.build} leaves in ${seconds(sizes.build, merkletreejs)}`);
  const openzeppelin = benchOpenzeppelin(small.slice(0, sizes.openzeppelin));
  context.log(`openzeppelin: ${sizes.openzeppelin} leaves in ${seconds(sizes.openzeppelin, openzeppelin)}`);

  const large = leavesOf(sizes.million);
  const oursLarge = rate(sizes.million, 1, () => buildSumTree(large));
  context.log(`sum tree: ${sizes.million} leaves in ${seconds(sizes.million, oursLarge)}`);
  const merkletreejsLarge = rate(sizes.million, 1, () => buildMerkletreejs(hashesOf(large)));
  context.log(`merkletreejs: ${sizes.million} leaves in ${seconds(sizes.million, merkletreejsLarge)}`);
  const records = recordsOf(large);
  const byThreads = await buildByThreads(records, sizes.million, sizes.runs);
  context.log(
    `sum tree by ${THREADS} threads: ${sizes.million} leaves in ${seconds(sizes.million, byThreads)}`,
  );
  context.note({
    threads: THREADS,
    leaves: sizes.build,
    leaves_openzeppelin: sizes.openzeppelin,
    leaves_million: sizes.million,
  });
  return [
    resultOf("tree.build", ours, UNIT, { merkletreejs, openzeppelin }),
    resultOf("tree.build.million", oursLarge, UNIT, { merkletreejs: merkletreejsLarge }),
    resultOf("tree.build.threads", byThreads, UNIT, { merkletreejs: merkletreejsLarge }),
  ];
}

/** `tree.update`: 10,000 changed leaves of 1,000,000, against building again; OpenZeppelin's at 10,000 of 10,000. */
export async function benchTreeUpdate(context: BenchContext): Promise<BenchResult[]> {
  const sizes = choose(context, SIZES);
  const leaves = leavesOf(sizes.million);
  const tree = buildSumTree(leaves);
  const spread = sizes.million / sizes.changed;
  const changed = leaves.filter((_, index) => index % spread === 0);
  let epoch = tree.epoch;
  const ours = rate(sizes.changed, sizes.runs, () => {
    epoch += 1n;
    tree.apply(
      epoch,
      changed.map((leaf) => ({ ...leaf, amount: leaf.amount + epoch })),
    );
  });
  const of = `${sizes.changed} changes of ${sizes.million} leaves`;
  context.log(`sum tree: ${of} in ${seconds(sizes.changed, ours)}`);
  const hashes = hashesOf(leaves);
  const merkletreejs = rate(sizes.changed, 1, () => buildMerkletreejs(hashes));
  context.log(`merkletreejs: the same by building again in ${seconds(sizes.changed, merkletreejs)}`);
  const openzeppelin = benchOpenzeppelin(changed);
  context.log(`openzeppelin: all of ${changed.length} leaves in ${seconds(changed.length, openzeppelin)}`);
  context.note({ leaves: sizes.million, changed: sizes.changed, leaves_openzeppelin: changed.length });
  return [resultOf("tree.update", ours, UNIT, { merkletreejs, openzeppelin })];
}

function leavesOf(count: number): Leaf[] {
  const name = new DataView(new ArrayBuffer(4));
  return Array.from({ length: count }, (_, index) => {
    name.setUint32(0, index);
    return {
      index: BigInt(index),
      owner: ZERO_ADDRESS,
      key: toHex(keccak256(new Uint8Array(name.buffer))),
      amount: 10n ** 19n + BigInt(index % 1_000),
      validUntil: 1_769_904_000n,
      kind: 1,
      quantity: 0,
    };
  });
}

function buildSumTree(leaves: readonly Leaf[]): SumTree {
  const tree = new SumTree(domain);
  tree.apply(1n, leaves);
  return tree;
}

/** Runs of leaves as bytes, as they come out of Postgres. */
function recordsOf(leaves: readonly Leaf[]): Uint8Array[] {
  return Array.from({ length: Math.ceil(leaves.length / RUN_LEAVES) }, (_, run) => {
    const some = leaves.slice(run * RUN_LEAVES, (run + 1) * RUN_LEAVES);
    const records = new Uint8Array(new SharedArrayBuffer(some.length * LEAF_RECORD_BYTES));
    some.forEach((leaf, place) => {
      writeLeafRecord(records, place * LEAF_RECORD_BYTES, domain, leaf);
    });
    return records;
  });
}

/** With the start of the threads. @returns leaves a second of the best run */
async function buildByThreads(runs: readonly Uint8Array[], count: number, times: number): Promise<number> {
  let bestMs = Number.POSITIVE_INFINITY;
  for (let time = 0; time < times; time++) {
    const startMs = performance.now();
    await buildTree({ domain, count, options: {}, runs, threads: THREADS });
    bestMs = Math.min(bestMs, performance.now() - startMs);
  }
  return Math.round((count * 1000) / bestMs);
}

/**
 * `tree.memory`: bytes that a tree of 1,000,000 leaves holds with the last hundred epochs of 10,000 changes each, as it
 * counts them itself, as MB (10^6 bytes).
 */
export async function benchTreeMemory(context: BenchContext): Promise<BenchResult[]> {
  const sizes = choose(context, SIZES);
  const leaves = leavesOf(sizes.million);
  const options = { keepStates: KEPT_STATES, keepBytes: 2 ** 30 };
  const tree = await buildTree({ domain, count: sizes.million, options, runs: recordsOf(leaves) });
  const bare = tree.allocatedBytes;
  const spread = sizes.million / sizes.changed;
  for (let epoch = 1; epoch <= KEPT_STATES; epoch++)
    tree.apply(
      BigInt(epoch),
      leaves.flatMap((leaf, index) =>
        (index + epoch * 37) % spread === 0 ? [{ ...leaf, amount: leaf.amount + BigInt(epoch) }] : [],
      ),
    );
  context.note({
    leaves: sizes.million,
    changed: sizes.changed,
    epochs: KEPT_STATES,
    tree_mb: megabytes(bare),
  });
  return [resultOf("tree.memory", megabytes(tree.allocatedBytes), "MB")];
}

function megabytes(bytes: number): number {
  return Number((bytes / 1e6).toPrecision(4));
}

function hashesOf(leaves: readonly Leaf[]): Buffer[] {
  const hash = leafHasher(domain);
  return leaves.map((leaf) => Buffer.from(hash(leaf)));
}

function buildMerkletreejs(hashes: Buffer[]): void {
  new MerkleTree(hashes, (bytes: Buffer) => Buffer.from(keccak256(bytes))).getRoot();
}

function benchOpenzeppelin(leaves: readonly Leaf[]): number {
  const types = ["uint64", "address", "bytes32", "uint128", "uint64", "uint32", "uint32"];
  const values = leaves.map((leaf) => [
    leaf.index,
    leaf.owner,
    leaf.key,
    leaf.amount,
    leaf.validUntil,
    leaf.kind,
    leaf.quantity,
  ]);
  return rate(leaves.length, 1, () => StandardMerkleTree.of(values, types));
}

/** Leaves a second of the best of `runs`: the others had the machine's noise in them. */
function rate(leaves: number, runs: number, work: () => void): number {
  let bestMs = Number.POSITIVE_INFINITY;
  for (let run = 0; run < runs; run++) {
    const startMs = performance.now();
    work();
    bestMs = Math.min(bestMs, performance.now() - startMs);
  }
  return Math.round((leaves * 1000) / bestMs);
}

function seconds(leaves: number, leavesPerSecond: number): string {
  return `${(leaves / leavesPerSecond).toFixed(3)} s`;
}

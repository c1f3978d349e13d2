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
import { keccak256, type Leaf, leafDomain, leafHasher, SumTree, toHex, ZERO_ADDRESS } from "#proof";

export interface Baseline {
  readonly name: string;
  readonly value: number;
  /** This project's value divided by the baseline's. */
  readonly ratio: number;
}

export interface BenchResult {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly baselines: readonly Baseline[];
}

export interface TreeBenchOptions {
  /** Told what was measured, as it happens. */
  readonly log?: ((message: string) => void) | undefined;
}

const UNIT = "leaves/s";
const BUILD_LEAVES = 100_000;
const MILLION_LEAVES = 1_000_000;
const CHANGED_LEAVES = 10_000;
/** OpenZeppelin's tree sorts and checks; 100,000 leaves take it tens of seconds. */
const OPENZEPPELIN_LEAVES = 10_000;
const RUNS = 3;

const domain = leafDomain({
  chainId: 31337n,
  custodian: `0x${"a1".repeat(20)}`,
  token: `0x${"b2".repeat(20)}`,
  section: "locks",
});

/** `tree.build` with 100,000 leaves beside both libraries, `tree.build.million` with 1,000,000 beside merkletreejs. */
export function benchTreeBuild(options: TreeBenchOptions = {}): BenchResult[] {
  const log = options.log ?? (() => {});
  const small = leavesOf(BUILD_LEAVES);
  const ours = rate(BUILD_LEAVES, RUNS, () => buildSumTree(small));
  log(`sum tree: ${BUILD_LEAVES} leaves in ${seconds(BUILD_LEAVES, ours)}`);
  const merkletreejs = rate(BUILD_LEAVES, RUNS, () => buildMerkletreejs(hashesOf(small)));
  log(`merkletreejs: ${BUILD_LEAVES} leaves in ${seconds(BUILD_LEAVES, merkletreejs)}`);
  const openzeppelin = benchOpenzeppelin(small.slice(0, OPENZEPPELIN_LEAVES));
  log(`openzeppelin: ${OPENZEPPELIN_LEAVES} leaves in ${seconds(OPENZEPPELIN_LEAVES, openzeppelin)}`);

  const large = leavesOf(MILLION_LEAVES);
  const oursLarge = rate(MILLION_LEAVES, 1, () => buildSumTree(large));
  log(`sum tree: ${MILLION_LEAVES} leaves in ${seconds(MILLION_LEAVES, oursLarge)}`);
  const merkletreejsLarge = rate(MILLION_LEAVES, 1, () => buildMerkletreejs(hashesOf(large)));
  log(`merkletreejs: ${MILLION_LEAVES} leaves in ${seconds(MILLION_LEAVES, merkletreejsLarge)}`);
  return [
    result("tree.build", ours, { merkletreejs, openzeppelin }),
    result("tree.build.million", oursLarge, { merkletreejs: merkletreejsLarge }),
  ];
}

/** `tree.update`: 10,000 changed leaves of 1,000,000, against building again; OpenZeppelin's at 10,000 of 10,000. */
export function benchTreeUpdate(options: TreeBenchOptions = {}): BenchResult[] {
  const log = options.log ?? (() => {});
  const leaves = leavesOf(MILLION_LEAVES);
  const tree = buildSumTree(leaves);
  const spread = MILLION_LEAVES / CHANGED_LEAVES;
  const changed = leaves.filter((_, index) => index % spread === 0);
  let epoch = tree.epoch;
  const ours = rate(CHANGED_LEAVES, RUNS, () => {
    epoch += 1n;
    tree.apply(
      epoch,
      changed.map((leaf) => ({ ...leaf, amount: leaf.amount + epoch })),
    );
  });
  log(`sum tree: ${CHANGED_LEAVES} changes of ${MILLION_LEAVES} leaves in ${seconds(CHANGED_LEAVES, ours)}`);
  const hashes = hashesOf(leaves);
  const merkletreejs = rate(CHANGED_LEAVES, 1, () => buildMerkletreejs(hashes));
  log(`merkletreejs: the same by building again in ${seconds(CHANGED_LEAVES, merkletreejs)}`);
  const openzeppelin = benchOpenzeppelin(changed);
  log(
    `openzeppelin: ${CHANGED_LEAVES} changes of ${CHANGED_LEAVES} in ${seconds(CHANGED_LEAVES, openzeppelin)}`,
  );
  return [result("tree.update", ours, { merkletreejs, openzeppelin })];
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

function result(name: string, value: number, baselines: Readonly<Record<string, number>>): BenchResult {
  return {
    name,
    value,
    unit: UNIT,
    baselines: Object.entries(baselines).map(([baseline, of]) => ({
      name: baseline,
      value: of,
      ratio: Math.round((value / of) * 100) / 100,
    })),
  };
}

function seconds(leaves: number, leavesPerSecond: number): string {
  return `${(leaves / leavesPerSecond).toFixed(3)} s`;
}

/** Trees led back epoch by epoch, against trees that went the other way. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  allocateTree,
  copyTree,
  hashRecords,
  hashRun,
  hashTop,
  keccak256,
  LEAF_RECORD_BYTES,
  type Leaf,
  leafDomain,
  levelsOf,
  SumTree,
  stepBack,
  type TreeMemory,
  toHex,
  writeLeafRecord,
  ZERO_ADDRESS,
} from "#proof";

const domain = leafDomain({
  chainId: 31337n,
  custodian: `0x${"a1".repeat(20)}`,
  token: `0x${"b2".repeat(20)}`,
  section: "locks",
});

function leafOf(index: number, version: number): Leaf {
  const key = toHex(keccak256(Uint8Array.of(index & 255, index >> 8)));
  const amount = BigInt(version) * 1_000n + BigInt(index);
  return { index: BigInt(index), owner: ZERO_ADDRESS, key, amount, validUntil: 0n, kind: 0, quantity: 0 };
}

function recordsOf(leaves: readonly Leaf[]): Uint8Array {
  const records = new Uint8Array(leaves.length * LEAF_RECORD_BYTES);
  leaves.forEach((leaf, place) => {
    writeLeafRecord(records, place * LEAF_RECORD_BYTES, domain, leaf);
  });
  return records;
}

function memoryOf(leaves: readonly Leaf[]): TreeMemory {
  const memory = allocateTree(leaves.length);
  hashRun(levelsOf(memory), { domain, first: 0, records: recordsOf(leaves) });
  hashTop(levelsOf(memory));
  return memory;
}

interface Epoch {
  readonly leaves: readonly Leaf[];
  readonly indexes: readonly number[];
}

/** Each epoch changes every so-manieth leaf and adds some. */
function epochsOf(changes: readonly { every: number; added: number }[]): Epoch[] {
  const epochs: Epoch[] = [{ leaves: [], indexes: [] }];
  for (const [place, { every, added }] of changes.entries()) {
    const before = epochs[place]?.leaves ?? [];
    const indexes = Array.from({ length: before.length + added }, (_, index) => index).filter(
      (index) => index >= before.length || (index + place) % every === 0,
    );
    const leaves = [...before];
    for (const index of indexes) leaves[index] = leafOf(index, place + 1);
    epochs.push({ leaves, indexes });
  }
  return epochs;
}

function expectGoneBack(epochs: readonly Epoch[]): void {
  const newest = epochs.length - 1;
  const grown = new SumTree(domain, { keepStates: 100 });
  for (const [number, { leaves, indexes }] of epochs.entries())
    if (number > 0)
      grown.apply(
        BigInt(number),
        indexes.map((index) => leaves[index] as Leaf),
      );
  const memory = memoryOf(epochs[newest]?.leaves ?? []);
  const copy = levelsOf(copyTree(memory));
  const built = new SumTree(domain, { epoch: BigInt(newest), keepStates: 100 }, memory);
  for (let epoch = newest; epoch >= 1; epoch--) {
    const before = epochs[epoch - 1]?.leaves ?? [];
    const { indexes } = epochs[epoch] as Epoch;
    const older = indexes.filter((index) => index < before.length).map((index) => before[index] as Leaf);
    const undo = stepBack(copy, {
      ...{ count: before.length, indexes: Uint32Array.from(indexes) },
      records: hashRecords(domain, recordsOf(older)),
    });
    expect(built.prepend(BigInt(epoch - 1), BigInt(epoch), undo)).toBe(true);
  }
  const everywhere = (tree: SumTree, epoch: number) => {
    const view = tree.at(BigInt(epoch));
    const count = epochs[epoch]?.leaves.length ?? 0;
    const places = Array.from({ length: Math.ceil(count / 23) }, (_, place) => BigInt(place * 23));
    return { root: view?.root, count: view?.count, proofs: places.map((index) => view?.proof(index)) };
  };
  for (const epoch of epochs.keys()) expect(everywhere(built, epoch)).toEqual(everywhere(grown, epoch));
  expect(built.rollback()).toBe(newest > 0);
  for (let epoch = newest - 1; epoch >= 0; epoch--)
    expect(everywhere(built, epoch)).toEqual(everywhere(grown, epoch));
}

test("a tree led back through random epochs shows each as the tree that was grown by them does", () => {
  const change = fc.record({ every: fc.integer({ min: 1, max: 40 }), added: fc.nat(30) });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 6 }), (changes) => expectGoneBack(epochsOf(changes))),
    { numRuns: 40 },
  );
});

test("so does one that is deep, grew past powers of two, and had epochs without a change", () => {
  const changes = [
    [1, 250],
    [9, 5],
    [1_000_000, 0],
    [7, 260],
    [300, 1],
    [50, 600],
  ] as const;
  expectGoneBack(epochsOf(changes.map(([every, added]) => ({ every, added }))));
});

test("what does not lead to the oldest state, or is more than is kept, is not taken", () => {
  const leaves = [leafOf(0, 1), leafOf(1, 1)];
  const tree = new SumTree(domain, { epoch: 5n, keepStates: 1 }, memoryOf(leaves));
  const undo = { count: 2, levels: [] };
  expect(tree.prepend(3n, 4n, undo)).toBe(false);
  expect(tree.prepend(5n, 5n, undo)).toBe(false);
  expect(tree.oldestEpoch).toBe(5n);
  expect(tree.prepend(4n, 5n, undo)).toBe(true);
  expect(tree.at(4n)?.root).toBe(tree.newest().root);
  expect(tree.prepend(3n, 4n, undo)).toBe(false);
  const wrong = {
    count: 2,
    indexes: Uint32Array.of(0, 1),
    records: hashRecords(domain, recordsOf(leaves.slice(1))),
  };
  expect(() => stepBack(levelsOf(memoryOf(leaves)), wrong)).toThrow("1 older leaves are not the 2");
});

test("what a tree shows stays what it is while older states are made readable behind it", () => {
  const [before, after] = [
    [leafOf(0, 1), leafOf(1, 1)],
    [leafOf(0, 2), leafOf(1, 2)],
  ];
  const tree = new SumTree(domain, { epoch: 5n }, memoryOf(before));
  const view = tree.apply(6n, after);
  const shown = () => ({ root: view.root, sum: view.sum, proof: view.proof(0n) });
  const { root, sum } = new SumTree(domain, {}, memoryOf(after)).newest();
  expect(shown()).toMatchObject({ root, sum });
  const first = shown();
  expect(tree.prepend(4n, 5n, { count: 2, levels: [] })).toBe(true);
  expect(shown()).toEqual(first);
});

/**
 * The incremental sum tree against two others: itself built at once, and a plain
 * one written with ethers alone that shares nothing with it.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  EMPTY_NODE,
  type Hex,
  keccak256,
  type Leaf,
  leafDomain,
  leafHash,
  SumTree,
  type TreeView,
  toHex,
  ZERO_ADDRESS,
  ZERO_WORD,
} from "#proof";
import { plainTree } from "../support/plain-sum-tree.ts";

const domain = leafDomain({
  chainId: 31337n,
  custodian: `0x${"a1".repeat(20)}`,
  token: `0x${"b2".repeat(20)}`,
  section: "locks",
});

const bytesOf = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => toHex(bytes));

const leafContent = fc.record({
  owner: fc.oneof(fc.constant(ZERO_ADDRESS), bytesOf(20)),
  key: bytesOf(32),
  amount: fc.bigInt({ min: 0n, max: 2n ** 100n }),
  validUntil: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  kind: fc.nat(0xffff_ffff),
  quantity: fc.nat(0xffff_ffff),
});

/** One epoch: changes of leaves that exist (by a number taken modulo the count) and new leaves. */
const epochChange = fc.record({
  changes: fc.array(fc.tuple(fc.nat(), leafContent), { maxLength: 6 }),
  added: fc.array(leafContent, { maxLength: 9 }),
});

function plainLeaf(index: number, amount = 0n, marker = 0): Leaf {
  const key = toHex(keccak256(Uint8Array.of(marker, index & 255, index >> 8)));
  return { index: BigInt(index), owner: ZERO_ADDRESS, key, amount, validUntil: 0n, kind: 0, quantity: 0 };
}

/** Everything a view says, checked against the plain tree over the same leaves. */
function expectSame(view: TreeView | undefined, leaves: readonly Leaf[]): void {
  const plain = plainTree(domain, leaves);
  expect({ root: view?.root, sum: view?.sum, count: view?.count }).toEqual(plain.section);
  leaves.forEach((leaf, index) => {
    expect(view?.proof(leaf.index)).toEqual(plain.proof(index));
    expect(view?.leaf(leaf.index)).toEqual({ hash: leafHash(domain, leaf), sum: leaf.amount });
  });
}

/** The leaves of a batch, applied to a copy of what was there. */
function changed(
  before: readonly Leaf[],
  { changes, added }: typeof epochChange extends fc.Arbitrary<infer T> ? T : never,
): { leaves: Leaf[]; batch: Leaf[] } {
  const batch = new Map<number, Leaf>();
  for (const [number, content] of changes)
    if (before.length > 0)
      batch.set(number % before.length, { ...content, index: BigInt(number % before.length) });
  added.forEach((content, position) => {
    batch.set(before.length + position, { ...content, index: BigInt(before.length + position) });
  });
  const leaves = [...before];
  for (const [index, leaf] of batch) leaves[index] = leaf;
  return { leaves, batch: [...batch.values()].reverse() };
}

describe("a sum tree", () => {
  test("of every size from 0 to 70, appended one by one, is the tree built at once and the plain one", () => {
    const grown = new SumTree(domain, { keepStates: 100 });
    const leaves: Leaf[] = [];
    const sizes = Array.from({ length: 71 }, (_, size) => size);
    for (const size of sizes) {
      if (size > 0) leaves.push(plainLeaf(size - 1, BigInt(size)));
      grown.apply(BigInt(size + 1), leaves.slice(-1));
      const built = new SumTree(domain).apply(1n, leaves);
      expectSame(grown.newest(), leaves);
      expect(built.root).toBe(grown.newest().root);
    }
    for (const size of sizes) expectSame(grown.at(BigInt(size + 1)), leaves.slice(0, size));
  });

  test("after random epochs is the tree built at once and the plain one, and so is each earlier state", () => {
    fc.assert(
      fc.property(fc.array(epochChange, { maxLength: 7 }), (epochs) => {
        const tree = new SumTree(domain);
        const states: Leaf[][] = [[]];
        epochs.forEach((epoch, number) => {
          const { leaves, batch } = changed(states[number] ?? [], epoch);
          states.push(leaves);
          tree.apply(BigInt(number + 1), batch);
        });
        states.forEach((leaves, epoch) => {
          expectSame(tree.at(BigInt(epoch)), leaves);
        });
        expect(new SumTree(domain).apply(1n, states.at(-1) ?? []).root).toBe(tree.newest().root);
        for (const leaves of states.slice(0, -1).reverse()) {
          expect(tree.rollback()).toBe(true);
          expectSame(tree.newest(), leaves);
        }
        expect(tree.rollback()).toBe(false);
      }),
      { numRuns: 60 },
    );
  });

  test("goes on after a rollback as if the epoch had never been", () => {
    const tree = new SumTree(domain);
    const first = Array.from({ length: 9 }, (_, index) => plainLeaf(index, 7n));
    tree.apply(1n, first);
    tree.apply(2n, [
      plainLeaf(3, 99n, 1),
      ...Array.from({ length: 30 }, (_, added) => plainLeaf(9 + added, 1n)),
    ]);
    tree.rollback();
    expect(tree.epoch).toBe(1n);
    const second = [...first.slice(0, 8), plainLeaf(8, 5n, 2), plainLeaf(9, 4n, 2)];
    tree.apply(2n, second.slice(8));
    expectSame(tree.newest(), second);
    expectSame(tree.at(1n), first);
  });

  test("loaded piece by piece stands at the epoch it was told, without states before it", () => {
    const leaves = Array.from({ length: 300 }, (_, index) => plainLeaf(index, BigInt(index)));
    const tree = new SumTree(domain, { epoch: 41n });
    for (let from = 0; from < leaves.length; from += 70) tree.load(leaves.slice(from, from + 70));
    expect(tree.epoch).toBe(41n);
    expectSame(tree.at(41n), leaves);
    expect(tree.at(40n)).toBeUndefined();
    expect(tree.rollback()).toBe(false);
    const next = [plainLeaf(0, 5n, 1), ...leaves.slice(1)];
    tree.apply(42n, next.slice(0, 1));
    expectSame(tree.at(41n), leaves);
    expectSame(tree.at(42n), next);
  });

  test("keeps as many states as it is told, by number and by bytes", () => {
    const leaves = Array.from({ length: 64 }, (_, index) => plainLeaf(index, 1n));
    const byNumber = new SumTree(domain, { keepStates: 2 });
    const byBytes = new SumTree(domain, { keepBytes: 110 });
    for (const tree of [byNumber, byBytes]) {
      tree.apply(1n, leaves);
      for (let epoch = 2n; epoch <= 6n; epoch++) tree.apply(epoch, [plainLeaf(5, epoch)]);
    }
    expect(byNumber.oldestEpoch).toBe(4n);
    expect(byNumber.at(3n)).toBeUndefined();
    expect(byNumber.at(4n)?.sum).toBe(63n + 4n);
    // One leaf of 48 bytes and its 4-byte index each: of the levels above, the eighth is the next that is kept.
    expect(byBytes.oldestEpoch).toBe(4n);
    expect(byNumber.at(7n)).toBeUndefined();
  });

  test("deep enough that most levels are hashed again for an earlier state, is the plain one in each, and after each is taken back", () => {
    const sizes = [290, 290, 511, 513, 513, 900, 900];
    const tree = new SumTree(domain);
    const states: Leaf[][] = [[]];
    sizes.forEach((size, place) => {
      const before = states[place] ?? [];
      const after = Array.from({ length: size }, (_, index) =>
        index >= before.length || (index * 7 + place) % 41 === 0
          ? plainLeaf(index, BigInt(place + 1), place)
          : before[index],
      ) as Leaf[];
      states.push(after);
      tree.apply(
        BigInt(place + 1),
        after.filter((leaf, index) => leaf !== before[index]),
      );
    });
    // Made once each: they take most of the time.
    const plain = states.map((leaves) => plainTree(domain, leaves));
    const expectSampled = (epoch: number): void => {
      const view = tree.at(BigInt(epoch));
      expect({ root: view?.root, sum: view?.sum, count: view?.count }).toEqual(plain[epoch]?.section);
      for (let index = 0; index < (states[epoch]?.length ?? 0); index += 29)
        expect(view?.proof(BigInt(index))).toEqual(plain[epoch]?.proof(index));
    };
    for (const epoch of states.keys()) expectSampled(epoch);
    for (let epoch = states.length - 2; epoch >= 0; epoch--) {
      expect(tree.rollback()).toBe(true);
      expectSampled(epoch);
      if (epoch > 0) expectSampled(epoch - 1);
    }
  });

  test("can take the newest epoch back, however little it is told to keep", () => {
    const leaves = Array.from({ length: 64 }, (_, index) => plainLeaf(index, 1n));
    const tree = new SumTree(domain, { keepBytes: 0, keepStates: 0 });
    tree.apply(1n, leaves);
    tree.apply(
      2n,
      leaves.map((leaf) => ({ ...leaf, amount: 2n })),
    );
    expect(tree.rollback()).toBe(true);
    expectSame(tree.newest(), leaves);
    expect(tree.rollback()).toBe(false);
  });

  test("without leaves has root and sum zero, and an epoch without changes the same root", () => {
    const tree = new SumTree(domain);
    expect(tree.newest()).toMatchObject({ root: ZERO_WORD, sum: 0n, count: 0n, epoch: 0n });
    tree.apply(1n, []);
    expect(tree.newest()).toMatchObject({ root: EMPTY_NODE.hash, count: 0n, epoch: 1n });
    tree.apply(2n, [plainLeaf(0, 1n)]);
    expect(tree.apply(3n, []).root).toBe(tree.at(2n)?.root);
  });
});

describe("a change that is written by pieces", () => {
  const count = 12_000;
  const first = Array.from({ length: count }, (_, index) => plainLeaf(index, 7n));
  const second = [...first.map((leaf) => ({ ...leaf, amount: 8n })), plainLeaf(count, 1n)];
  const full = (): SumTree => {
    const tree = new SumTree(domain);
    tree.apply(1n, first.slice(0, 100));
    tree.apply(2n, first.slice(100));
    return tree;
  };
  const begun = (tree: SumTree, leaves: readonly Leaf[]) => {
    const change = tree.begin(3n);
    for (let from = 0; from < leaves.length; from += 5_000) change.add(leaves.slice(from, from + 5_000));
    return change.write();
  };
  /** Root, sum, count and some proofs of both epochs that were there before. */
  const earlier = (tree: SumTree) =>
    [1n, 2n].map((epoch) => {
      const view = tree.at(epoch);
      return [0n, 77n, (view?.count ?? 1n) - 1n].map((index) => [
        view?.root,
        view?.proof(index),
        view?.leaf(index),
      ]);
    });

  test("pauses often, shows the earlier states at every pause, and ends where one piece would have", () => {
    const tree = full();
    const known = earlier(tree);
    const steps = begun(tree, second);
    let pauses = 0;
    let step = steps.next();
    for (; !step.done; step = steps.next()) {
      pauses++;
      expect(tree.epoch).toBe(2n);
      expect(earlier(tree)).toEqual(known);
      expect(tree.newest().root).toBe(tree.at(2n)?.root);
      expect(() => tree.rollback()).toThrow(/being written/);
    }
    expect(pauses).toBeGreaterThanOrEqual(2);
    expect(step.value.root).toBe(new SumTree(domain).apply(1n, second).root);
    expect(earlier(tree)).toEqual(known);
    expect(tree.rollback()).toBe(true);
    expect(earlier(tree)).toEqual(known);
  });

  test("leaves the tree as it was where it is left midway, and where a sum overflows at its end", () => {
    for (const leave of ["return", "overflow"]) {
      const tree = full();
      const known = earlier(tree);
      const tooMuch = second.with(count - 1, plainLeaf(count - 1, 2n ** 128n - 1n));
      const steps = begun(tree, leave === "return" ? second : tooMuch);
      steps.next();
      if (leave === "return") steps.return(tree.newest());
      else expect(() => [...steps]).toThrow(/overflow/);
      expect(tree.epoch).toBe(2n);
      expect(earlier(tree)).toEqual(known);
      expect(tree.apply(3n, second).root).toBe(new SumTree(domain).apply(1n, second).root);
    }
  });

  test("is refused where the tree has moved on, or the pages are out of order", () => {
    const tree = full();
    const steps = begun(tree, second);
    tree.apply(3n, []);
    expect(() => steps.next()).toThrow(/changed since/);
    const change = full().begin(3n);
    change.add([plainLeaf(7)]);
    expect(() => change.add([plainLeaf(6)])).toThrow(/after 7/);
  });
});

describe("a sum tree refuses", () => {
  const leaves = Array.from({ length: 5 }, (_, index) => plainLeaf(index, 10n));
  const full = (): SumTree => {
    const tree = new SumTree(domain);
    tree.apply(1n, leaves);
    return tree;
  };

  test.each<[string, Leaf[], RegExp]>([
    ["a gap in the indexes", [plainLeaf(6)], /gap/],
    ["an index twice", [plainLeaf(2), plainLeaf(2, 1n)], /twice/],
    ["a negative amount", [plainLeaf(0, -1n)], /amount/],
    ["an amount of 2^128", [plainLeaf(0, 2n ** 128n)], /amount/],
    ["a sum that reaches 2^128", [plainLeaf(0, 2n ** 127n), plainLeaf(4, 2n ** 127n)], /overflow/],
    ["a sum that would wrap to a small one", [plainLeaf(5, 2n ** 128n - 1n)], /overflow/],
    ["a kind above 32 bits", [{ ...plainLeaf(0), kind: 2 ** 32 }], /kind/],
    ["a fractional quantity", [{ ...plainLeaf(0), quantity: 1.5 }], /quantity/],
    ["a negative quantity", [{ ...plainLeaf(0), quantity: -1 }], /quantity/],
    ["a term above 64 bits", [{ ...plainLeaf(0), validUntil: 2n ** 64n }], /valid_until/],
    ["a key that is too short", [{ ...plainLeaf(0), key: "0xabcd" }], /key/],
    ["an owner that is no hex", [{ ...plainLeaf(0), owner: `0x${"zz".repeat(20)}` as Hex }], /owner/],
    ["a negative index", [plainLeaf(0), { ...plainLeaf(0), index: -1n }], /index/],
  ])("%s, and stays as it was", (_, batch, reason) => {
    const tree = full();
    expect(() => tree.apply(2n, [plainLeaf(1, 3n, 9), ...batch])).toThrow(reason);
    expect(tree.epoch).toBe(1n);
    expectSame(tree.newest(), leaves);
    tree.apply(2n, [plainLeaf(5, 1n)]);
    expectSame(tree.newest(), [...leaves, plainLeaf(5, 1n)]);
  });

  test("an epoch that is not newer", () => {
    expect(() => full().apply(1n, [])).toThrow(/above 1/);
  });

  test("a proof outside the count", () => {
    for (const index of [5n, 7n, 8n, -1n, 2n ** 64n])
      expect(() => full().newest().proof(index)).toThrow(/count/);
  });
});

test("the largest sum fits", () => {
  const tree = new SumTree(domain);
  const view = tree.apply(1n, [plainLeaf(0, 2n ** 127n), plainLeaf(1, 2n ** 127n - 1n), plainLeaf(2, 0n)]);
  expect(view.sum).toBe(2n ** 128n - 1n);
  expectSame(view, [plainLeaf(0, 2n ** 127n), plainLeaf(1, 2n ** 127n - 1n), plainLeaf(2, 0n)]);
});

test("a hundred thousand leaves take less than 15 MB", () => {
  const tree = new SumTree(domain);
  tree.load(Array.from({ length: 100_000 }, (_, index) => ({ ...plainLeaf(0, 1n), index: BigInt(index) })));
  expect(tree.newest().sum).toBe(100_000n);
  expect(tree.allocatedBytes).toBeLessThan(15_000_000);
});

/** Tiles as they are added to: in one go or in many, they are the same, and hold the whole tree. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  FormatError,
  hashesFromTiles,
  LogTree,
  lastTiles,
  logLeafHash,
  rootFromTiles,
  TILE_HASH_BYTES,
  TILE_WIDTH,
  TileBuilder,
  type TileName,
  tileWidth,
} from "#proof";

class Store {
  readonly tiles = new Map<string, Uint8Array>();
  readonly read = ({ level, index }: TileName): Uint8Array => {
    const tile = this.tiles.get(`${level} ${index}`);
    if (!tile) throw new Error(`tile ${level}/${index} is missing`);
    return tile;
  };

  /** As storage must: a tile only grows. */
  write(builder: TileBuilder): void {
    for (const { level, index, hashes } of builder.takeChanged()) {
      const before = this.tiles.get(`${level} ${index}`);
      if (before) expect(Buffer.compare(hashes.subarray(0, before.length), before)).toBe(0);
      this.tiles.set(`${level} ${index}`, hashes);
    }
  }
}

const LINES = 70_000;
const hashes = Array.from({ length: LINES }, (_, number) => logLeafHash(`${number}`));

test("a log of 70,000 lines has its tiles and no others, and the tree's root", () => {
  const [store, builder, tree] = [new Store(), new TileBuilder(), new LogTree()];
  for (const hash of hashes) {
    builder.append(hash);
    tree.appendHash(hash);
  }
  store.write(builder);
  expect(builder.root()).toBe(tree.rootAt(BigInt(LINES)));
  expect(rootFromTiles(BigInt(LINES), store.read)).toBe(builder.root());
  expect(store.tiles.size).toBe(274 + 2 + 1);
  for (const name of lastTiles(BigInt(LINES)))
    expect(store.read(name).length).toBe(name.width * TILE_HASH_BYTES);
  // Any subtree, also in the middle of a tile two levels up.
  const subtree = hashesFromTiles(store.read);
  for (const [level, index] of [
    [0, 69_999n],
    [7, 100n],
    [8, 272n],
    [13, 7n],
    [16, 0n],
  ] as const)
    expect(subtree({ level, index })).toEqual(tree.hashes({ level, index }));
  expect(() => subtree({ level: 16, index: 1n })).toThrow(FormatError);
});

test("added in pieces, with storage between them, they are the same", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(700), { minLength: 1, maxLength: 12 }), (pieces) => {
      const store = new Store();
      const tree = new LogTree();
      let size = 0;
      for (const piece of pieces) {
        const builder = TileBuilder.resume(BigInt(size), store.read);
        for (const hash of hashes.slice(size, size + piece)) {
          builder.append(hash);
          tree.appendHash(hash);
        }
        size += piece;
        store.write(builder);
        expect(builder.takeChanged()).toEqual([]);
        expect(builder.root()).toBe(tree.rootAt(BigInt(size)));
      }
      const expected = new Set(
        lastTiles(BigInt(size)).flatMap(({ level, index }) =>
          Array.from({ length: Number(index) + 1 }, (_, at) => `${level} ${at}`),
        ),
      );
      expect(new Set(store.tiles.keys())).toEqual(expected);
      for (const [name, tile] of store.tiles) {
        const [level = 0, index = 0] = name.split(" ").map(Number);
        expect(tile.length).toBe(tileWidth(BigInt(size), { level, index: BigInt(index) }) * TILE_HASH_BYTES);
      }
    }),
    { numRuns: 40 },
  );
});

test("cannot be gone on with where one is narrower than the log says", () => {
  const store = new Store();
  const builder = new TileBuilder();
  for (const hash of hashes.slice(0, 300)) builder.append(hash);
  store.write(builder);
  store.tiles.set("0 1", store.read({ level: 0, index: 1n }).subarray(TILE_HASH_BYTES));
  expect(() => TileBuilder.resume(300n, store.read)).toThrow(FormatError);
  expect(TileBuilder.resume(BigInt(TILE_WIDTH), store.read).size).toBe(256n);
});

/**
 * The log tree cut into tiles (c2sp.org/tlog-tiles): at every eighth level, runs
 * of up to 256 neighbouring hashes. Whoever stores tiles has every perfect
 * subtree in one of them, so a proof in a log of n lines needs a few tiles a
 * level, of which there are log256(n). Arithmetic and hashing alone; where tiles
 * are kept is the caller's.
 */
import { concatBytes, type Hex, toHex, toSafeInteger } from "./bytes.ts";
import { FormatError } from "./format-error.ts";
import { type Subtree, type SubtreeHashes, subtreesOf } from "./log-proof.ts";
import { EMPTY_LOG_ROOT, foldSubtrees, logNodeHash } from "./log-tree.ts";

export const TILE_HEIGHT = 8;
export const TILE_WIDTH = 256;
export const TILE_HASH_BYTES = 32;

/** The hashes `index × 256` up to, not with, `index × 256 + width` of every eighth level's `level`. */
export interface TileName {
  readonly level: number;
  readonly index: bigint;
}

export interface Tile extends TileName {
  /** 1 to 256 hashes of 32 bytes; fewer than 256 in the last of its level. */
  readonly hashes: Uint8Array;
}

export type TileHashes = (tile: TileName) => Uint8Array;

/** How many hashes level `level` has in a log of `size` lines: only whole subtrees have one. */
export function hashesAtLevel(size: bigint, level: number): bigint {
  return size >> BigInt(TILE_HEIGHT * level);
}

/** How many hashes a tile has in a log of `size` lines; 0 where it has none yet. */
export function tileWidth(size: bigint, { level, index }: TileName): number {
  const behind = hashesAtLevel(size, level) - index * BigInt(TILE_WIDTH);
  if (behind <= 0n) return 0;
  return behind >= BigInt(TILE_WIDTH) ? TILE_WIDTH : toSafeInteger(behind, "tile width");
}

/** The last tile of every level of a log of `size` lines, leaf level first. */
export function lastTiles(size: bigint): (TileName & { readonly width: number })[] {
  const tiles: (TileName & { readonly width: number })[] = [];
  for (let level = 0; hashesAtLevel(size, level) > 0n; level++) {
    const name = { level, index: (hashesAtLevel(size, level) - 1n) / BigInt(TILE_WIDTH) };
    tiles.push({ ...name, width: tileWidth(size, name) });
  }
  return tiles;
}

interface PlaceInTile extends TileName {
  /** The first of its hashes in the tile, and how many. */
  readonly from: number;
  readonly count: number;
}

function placeOf({ level, index }: Subtree): PlaceInTile {
  const rest = level % TILE_HEIGHT;
  const first = index << BigInt(rest);
  return {
    level: (level - rest) / TILE_HEIGHT,
    index: first / BigInt(TILE_WIDTH),
    from: toSafeInteger(first % BigInt(TILE_WIDTH), "place in tile"),
    count: 2 ** rest,
  };
}

/** The tiles that these subtrees' hashes come from, each once. */
export function tilesFor(plan: readonly (readonly Subtree[])[]): TileName[] {
  const names = new Map<string, TileName>();
  for (const subtree of plan.flat()) {
    const { level, index } = placeOf(subtree);
    names.set(`${level} ${index}`, { level, index });
  }
  return [...names.values()];
}

/** Hashes of perfect subtrees out of tiles. @throws FormatError where a tile is too narrow */
export function hashesFromTiles(tiles: TileHashes): SubtreeHashes {
  return (subtree) => {
    const { level, index, from, count } = placeOf(subtree);
    const hashes = tiles({ level, index });
    const end = (from + count) * TILE_HASH_BYTES;
    if (hashes.length < end)
      throw new FormatError("tile", `${level}/${index} has no hash ${from + count - 1}`);
    return perfectRoot(hashes.subarray(from * TILE_HASH_BYTES, end));
  };
}

/** The root over a power of two of hashes. */
function perfectRoot(hashes: Uint8Array): Uint8Array {
  let row = split(hashes);
  while (row.length > 1) {
    const above: Uint8Array[] = [];
    for (let at = 0; at < row.length; at += 2)
      above.push(logNodeHash(row[at] as Uint8Array, row[at + 1] as Uint8Array));
    row = above;
  }
  const [root] = row;
  if (!root) throw new FormatError("tile", "has no hash");
  return root;
}

/** The root of the log of `size` lines. */
export function rootFromTiles(size: bigint, tiles: TileHashes): Hex {
  if (size === 0n) return EMPTY_LOG_ROOT;
  return toHex(foldSubtrees(subtreesOf(0n, size).map(hashesFromTiles(tiles))));
}

/** `x001/x234/067` for 1234067: how a tile's index stands in its path. */
export function tileIndexPath(index: bigint): string {
  const groups: string[] = [];
  for (let rest = index; groups.length === 0 || rest > 0n; rest /= 1000n)
    groups.unshift(`${groups.length === 0 ? "" : "x"}${`${rest % 1000n}`.padStart(3, "0")}`);
  return groups.join("/");
}

/**
 * Appends leaf hashes to a log of which only the last tiles are known, and answers
 * the tiles that came to be or grew.
 */
export class TileBuilder {
  #size = 0n;
  /** Of each level the hashes of its last tile, while it is not full. */
  readonly #open: Uint8Array[][] = [];
  /** Levels whose open tile grew since the last answer, and tiles that became full since. */
  readonly #grown = new Set<number>();
  #filled: Tile[] = [];

  /** @param tiles the last tiles of the log, as `lastTiles` names them; for an empty log there is none */
  static resume(size: bigint, tiles: TileHashes): TileBuilder {
    const builder = new TileBuilder();
    builder.#size = size;
    for (const { level, index, width } of lastTiles(size)) {
      const hashes = tiles({ level, index });
      if (hashes.length < width * TILE_HASH_BYTES)
        throw new FormatError("tile", `${level}/${index} has fewer than ${width} hashes`);
      builder.#open[level] = width === TILE_WIDTH ? [] : split(hashes.subarray(0, width * TILE_HASH_BYTES));
    }
    return builder;
  }

  get size(): bigint {
    return this.#size;
  }

  append(leafHash: Uint8Array): void {
    this.#size += 1n;
    this.#push(0, leafHash);
  }

  root(): Hex {
    return rootFromTiles(this.#size, ({ level }) => concatBytes(...(this.#open[level] ?? [])));
  }

  /** Tiles that came to be or grew since the last call, each as it now is. */
  takeChanged(): Tile[] {
    const changed = [...this.#filled];
    for (const level of this.#grown) changed.push(this.#lastTile(level));
    this.#filled = [];
    this.#grown.clear();
    return changed;
  }

  #push(level: number, hash: Uint8Array): void {
    const open = this.#open[level] ?? [];
    this.#open[level] = open;
    open.push(hash);
    this.#grown.add(level);
    if (open.length < TILE_WIDTH) return;
    const full = this.#lastTile(level);
    this.#filled.push(full);
    this.#grown.delete(level);
    this.#open[level] = [];
    this.#push(level + 1, perfectRoot(full.hashes));
  }

  #lastTile(level: number): Tile {
    const index = (hashesAtLevel(this.#size, level) - 1n) / BigInt(TILE_WIDTH);
    return { level, index, hashes: concatBytes(...(this.#open[level] ?? [])) };
  }
}

function split(hashes: Uint8Array): Uint8Array[] {
  const row: Uint8Array[] = [];
  for (let at = 0; at < hashes.length; at += TILE_HASH_BYTES)
    row.push(hashes.slice(at, at + TILE_HASH_BYTES));
  return row;
}

/**
 * Where the journal's log tree is kept: its tiles in Postgres, leaf level first.
 * They hold nothing that the lines do not say, are only ever added to, and let a
 * root or proof of any size be made from a few rows. Whoever adds holds the log's
 * lock; whoever reads needs none, since a tile that has grown begins as it was.
 */
import { byteaArray, int2Array, int8Array } from "#infra";
import {
  consistencyProof,
  FormatError,
  type Hex,
  hashesFromTiles,
  inclusionProof,
  lastTiles,
  logLeafHash,
  planConsistency,
  planInclusion,
  rootFromTiles,
  type Subtree,
  subtreesOf,
  TILE_HASH_BYTES,
  TILE_WIDTH,
  TileBuilder,
  type TileHashes,
  type TileName,
  tilesFor,
  toSafeInteger,
} from "#proof";
import type { ClosedText } from "./closed-text.ts";
import type { Flight } from "./flight.ts";
import { journalLines, linesAskedFor } from "./journal-lines.ts";
import { firstRow, type Queryable, rows, SQL } from "./sql.ts";

/** Tiles are written when so many lines were hashed: each time the open ones are written again. */
const LINES_A_WRITE = 8_192;

interface TileRow {
  level: number;
  index: number;
  hashes: Uint8Array;
}

/** Adds lines to the log. Whoever has one holds the log's lock, and nobody else adds meanwhile. */
export class LogAppender {
  readonly #db: Queryable;
  readonly #builder: TileBuilder;
  readonly #text: ClosedText | undefined;
  #unwritten = 0;

  private constructor(db: Queryable, builder: TileBuilder, text: ClosedText | undefined) {
    this.#db = db;
    this.#builder = builder;
    this.#text = text;
  }

  /** @param text is told of the lines that are added */
  static async resume(db: Queryable, text?: ClosedText): Promise<LogAppender> {
    const last = await firstRow<{ index: number; width: number }>(db, SQL.logEnd);
    const size = last ? BigInt(last.index) * BigInt(TILE_WIDTH) + BigInt(last.width) : 0n;
    const tiles = tilesIn(await rowsOf(db, lastTiles(size)));
    return new LogAppender(db, TileBuilder.resume(size, tiles), text);
  }

  /** How many lines the log has. */
  get size(): number {
    return toSafeInteger(this.#builder.size, "log size");
  }

  /** Adds the lines below `size` that the log lacks; they are committed, or in this transaction's snapshot. */
  async upTo(size: number): Promise<void> {
    if (size <= this.size) return;
    // No transaction may be open: a write that failed and a later one that did not would leave a hole.
    await this.#append(journalLines(this.#db, this.size, size), (write) => write);
  }

  /**
   * As `upTo`, in two steps and in a transaction: the lines are asked for when this answers, and added by calling what it
   * answers.
   * @param reader who is asked for them: it need not be in the transaction, since committed lines stay what they are
   */
  ask(size: number, flight: Flight, reader: Queryable = this.#db): () => Promise<void> {
    if (size <= this.size) return async () => {};
    const lines = linesAskedFor(reader, this.size, size);
    return () => this.#append(lines, (write) => flight.add(write));
  }

  async #append(
    pieces: AsyncIterable<string[]>,
    sent: (write: Promise<void>) => Promise<void> | void,
  ): Promise<void> {
    for await (const lines of pieces) {
      const first = this.size;
      for (const line of lines) this.#builder.append(logLeafHash(line));
      this.#text?.addLines(first, lines);
      this.#unwritten += lines.length;
      if (this.#unwritten >= LINES_A_WRITE) await sent(this.#write());
    }
    await sent(this.#write());
  }

  async #write(): Promise<void> {
    const tiles = this.#builder.takeChanged();
    this.#unwritten = 0;
    if (tiles.length === 0) return;
    await this.#db.query(SQL.writeTiles, [...namesOf(tiles), byteaArray(tiles.map(({ hashes }) => hashes))]);
  }
}

/** As it was with so many lines. @throws Error where the tiles do not reach so far */
export async function logRootAt(db: Queryable, size: bigint): Promise<Hex> {
  return rootFromTiles(size, await readTiles(db, [subtreesOf(0n, size)]));
}

/** Of line `index` in the log of `size` lines, and that log's root. */
export async function proveInclusion(
  db: Queryable,
  index: bigint,
  size: bigint,
): Promise<{ proof: Hex[]; root: Hex }> {
  const tiles = await readTiles(db, [...planInclusion(index, size), subtreesOf(0n, size)]);
  return {
    proof: inclusionProof(index, size, hashesFromTiles(tiles)),
    root: rootFromTiles(size, tiles),
  };
}

/** That the log of `size` lines continues the log of `oldSize`, and both roots. */
export async function proveConsistency(
  db: Queryable,
  oldSize: bigint,
  size: bigint,
): Promise<{ proof: Hex[]; oldRoot: Hex; root: Hex }> {
  const plan = [...planConsistency(oldSize, size), subtreesOf(0n, oldSize), subtreesOf(0n, size)];
  const tiles = await readTiles(db, plan);
  return {
    proof: consistencyProof(oldSize, size, hashesFromTiles(tiles)),
    oldRoot: rootFromTiles(oldSize, tiles),
    root: rootFromTiles(size, tiles),
  };
}

/** The first `width` hashes of a tile. @throws Error where it has fewer */
export async function tileHashes(db: Queryable, tile: TileName, width: number): Promise<Uint8Array> {
  const [row] = await rowsOf(db, [tile]);
  const bytes = width * TILE_HASH_BYTES;
  if (!row || row.hashes.length < bytes)
    throw new Error(`tile ${tile.level}/${tile.index} has fewer than ${width} hashes`);
  return row.hashes.subarray(0, bytes);
}

async function readTiles(db: Queryable, plan: readonly (readonly Subtree[])[]): Promise<TileHashes> {
  return tilesIn(await rowsOf(db, tilesFor(plan)));
}

function tilesIn(found: readonly TileRow[]): TileHashes {
  const tiles = new Map(found.map(({ level, index, hashes }) => [`${level} ${index}`, hashes]));
  return ({ level, index }) => {
    const hashes = tiles.get(`${level} ${index}`);
    if (!hashes) throw new FormatError("log", `has no tile ${level}/${index}`);
    return hashes;
  };
}

function rowsOf(db: Queryable, names: readonly TileName[]): Promise<TileRow[]> {
  return rows<TileRow>(db, SQL.readTiles, namesOf(names));
}

function namesOf(tiles: readonly TileName[]): [Buffer, Buffer] {
  return [
    int2Array(tiles.map(({ level }) => level)),
    int8Array(tiles.map(({ index }) => toSafeInteger(index, "tile index"))),
  ];
}

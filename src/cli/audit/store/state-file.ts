/**
 * The auditor's memory on disk: one file, written aside, synced and renamed, so
 * that a crash leaves the last whole one; it ends with a SHA-256 over all that
 * stands before, so that a damaged one is never taken for knowledge. In front is
 * a line that names the format and a JSON text that says how long each part is
 * and carries what the caller wants to remember besides.
 */
import { createHash } from "node:crypto";
import { type FileHandle, mkdir, open, rename } from "node:fs/promises";
import { endianness } from "node:os";
import { dirname, join } from "node:path";
import { BookReplay } from "./book-replay.ts";
import { LeafImages } from "./leaf-images.ts";

const FORMAT = "anchorbook-audit-state/4";
const DIGEST_BYTES = 32;
const MAX_META_BYTES = 256 * 2 ** 20;

/** The file is not what an auditor wrote, or no longer. */
export class DamagedState extends Error {
  constructor(path: string, what: string) {
    super(
      `${path} is damaged: ${what}. Remove it (or use another --state folder) and audit from the beginning`,
    );
    this.name = "DamagedState";
  }
}

interface Lengths {
  readonly byte_order: string;
  readonly asset: string;
  readonly closed_epoch: string;
  readonly next_seq: string;
  readonly ids: number;
  readonly assets: number;
  readonly accounts: number;
  readonly positions: number;
  readonly changed: number;
  readonly undo: readonly { readonly epoch: string; readonly length: number }[];
  readonly holds_bytes: number;
}

/** @param memory plain JSON */
export async function saveState(path: string, replay: BookReplay, memory: unknown): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true });
  const aside = `${path}.part`;
  const file = await open(aside, "w");
  try {
    const hash = createHash("sha256");
    for (const piece of piecesOf(replay, memory)) {
      hash.update(piece);
      await file.appendFile(piece);
    }
    await file.appendFile(hash.digest());
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(aside, path);
  const parent = await open(folder, "r");
  try {
    await parent.sync();
  } finally {
    await parent.close();
  }
}

export function stateFile(folder: string): string {
  return join(folder, "audit-state");
}

/**
 * @returns null where there is no such file
 * @throws DamagedState
 */
export async function loadState<T>(path: string): Promise<{ replay: BookReplay; memory: T } | null> {
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (!file) return null;
  try {
    return await read<T>(path, file);
  } catch (error) {
    if (error instanceof DamagedState) throw error;
    if ((error as NodeJS.ErrnoException).code === "EISDIR") throw new DamagedState(path, "it is a folder");
    throw new DamagedState(path, error instanceof Error ? error.message : String(error));
  } finally {
    await file.close();
  }
}

async function read<T>(path: string, file: FileHandle): Promise<{ replay: BookReplay; memory: T }> {
  const { size } = await file.stat();
  const reader = new Reader(path, file, size - DIGEST_BYTES);
  const head = await reader.take(FORMAT.length + 1 + 4);
  if (head.toString("latin1", 0, FORMAT.length) !== FORMAT)
    throw new DamagedState(path, `it is no ${FORMAT}`);
  // Before anything is made of what stands in it.
  await requireDigest(path, file, size - DIGEST_BYTES);
  const metaBytes = head.readUInt32BE(FORMAT.length + 1);
  if (metaBytes > MAX_META_BYTES) throw new DamagedState(path, "its head is too long");
  const text = (await reader.take(metaBytes)).toString("utf8");
  const { lengths, memory } = JSON.parse(text) as { lengths: Lengths; memory: T };
  if (lengths.byte_order !== endianness())
    throw new DamagedState(path, "it was written on a machine of another byte order");
  const replay = new BookReplay(lengths.asset);
  for (const piece of partsOf(replay, lengths)) await reader.fill(piece);
  const holds = (await reader.take(lengths.holds_bytes)).toString("utf8");
  reader.end();
  finish(replay, lengths, holds);
  return { replay, memory };
}

function* piecesOf(replay: BookReplay, memory: unknown): Generator<Uint8Array> {
  const { accounts, positions, changed, undo } = replay;
  const holds = Buffer.from(holdLines(replay));
  const lengths: Lengths = {
    byte_order: endianness(),
    asset: replay.asset,
    closed_epoch: `${replay.closedEpoch}`,
    next_seq: `${replay.nextSeq}`,
    ids: accounts.ids.length,
    assets: accounts.assets.length,
    accounts: accounts.records.length,
    positions: positions.records.length,
    changed: changed.length,
    undo: undo.map(({ epoch, before }) => ({ epoch: `${epoch}`, length: before.length })),
    holds_bytes: holds.length,
  };
  const meta = Buffer.from(JSON.stringify({ lengths, memory }));
  const head = Buffer.alloc(FORMAT.length + 1 + 4);
  head.write(`${FORMAT}\n`, "latin1");
  head.writeUInt32BE(meta.length, FORMAT.length + 1);
  yield head;
  yield meta;
  yield* accounts.ids.stored();
  yield* accounts.assets.stored();
  yield* accounts.records.stored();
  yield* positions.records.stored();
  yield* changed.records.stored();
  for (const { before } of undo) yield* before.records.stored();
  yield holds;
}

/** The same parts in the same order, to be filled. */
function* partsOf(replay: BookReplay, lengths: Lengths): Generator<Uint8Array> {
  const { accounts, positions, changed } = replay;
  yield* accounts.ids.restore(lengths.ids);
  yield* accounts.assets.restore(lengths.assets);
  yield* accounts.records.restore(lengths.accounts);
  yield* positions.records.restore(lengths.positions);
  yield* changed.records.restore(lengths.changed);
  for (const { epoch, length } of lengths.undo) {
    const before = new LeafImages();
    yield* before.records.restore(length);
    replay.undo.push({ epoch: BigInt(epoch), before });
  }
}

function finish(replay: BookReplay, lengths: Lengths, holds: string): void {
  replay.closedEpoch = BigInt(lengths.closed_epoch);
  replay.nextSeq = BigInt(lengths.next_seq);
  replay.positions.reindex();
  replay.changed.reindex();
  for (const { before } of replay.undo) before.reindex();
  for (const line of holds.split("\n").slice(0, -1)) {
    const [id, debit, credit, amount] = JSON.parse(line) as [string, number, number, string];
    replay.accounts.holds.set(id, { debit, credit, amount: BigInt(amount) });
  }
}

function holdLines({ accounts }: BookReplay): string {
  const lines: string[] = [];
  for (const [id, { debit, credit, amount }] of accounts.holds)
    lines.push(`${JSON.stringify([id, debit, credit, `${amount}`])}\n`);
  return lines.join("");
}

const PIECE_BYTES = 1 << 20;

/** @throws DamagedState where the digest behind the first `length` bytes is not theirs */
async function requireDigest(path: string, file: FileHandle, length: number): Promise<void> {
  const reader = new Reader(path, file, length + DIGEST_BYTES);
  const hash = createHash("sha256");
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  for (let left = length; left > 0; left -= PIECE_BYTES) {
    const part = piece.subarray(0, Math.min(left, PIECE_BYTES));
    await reader.fill(part);
    hash.update(part);
  }
  if (!hash.digest().equals(await reader.take(DIGEST_BYTES)))
    throw new DamagedState(path, "its digest does not hold");
}

/** Reads a file from its beginning. */
class Reader {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #end: number;
  #at = 0;

  constructor(path: string, file: FileHandle, end: number) {
    this.#path = path;
    this.#file = file;
    this.#end = end;
  }

  async take(length: number): Promise<Buffer> {
    if (length > this.#end - this.#at) throw new DamagedState(this.#path, "it is cut off");
    const bytes = Buffer.alloc(length);
    await this.fill(bytes);
    return bytes;
  }

  async fill(target: Uint8Array): Promise<void> {
    if (this.#at + target.length > this.#end) throw new DamagedState(this.#path, "it is cut off");
    for (let done = 0; done < target.length; ) {
      const { bytesRead } = await this.#file.read(target, done, target.length - done, this.#at);
      if (bytesRead === 0) throw new DamagedState(this.#path, "it is cut off");
      done += bytesRead;
      this.#at += bytesRead;
    }
  }

  /** @throws DamagedState unless all was read */
  end(): void {
    if (this.#at !== this.#end) throw new DamagedState(this.#path, "it has more than it says");
  }
}

/** The journal's log over real epochs: what is signed is what the headers say, and every proof of it holds. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createClient } from "#infra";
import {
  hashesFromTiles,
  LogTree,
  logLeafHash,
  openCheckpoint,
  parseVerifierKey,
  rootFromTiles,
  TILE_HASH_BYTES,
  TILE_WIDTH,
  toHex,
  verifyConsistency,
  verifyInclusion,
} from "#proof";
import { createLogSigner, type JournalLog } from "#settlement";
import { createWorld, TEST_LOG_SIGNER, TST, type World } from "./world.ts";

let world: World;
let log: JournalLog;
const tree = new LogTree();
let lines: string[];
/** Of the epochs, in their order. */
let sizes: number[];

async function read(stream: AsyncIterable<string | Uint8Array>): Promise<string> {
  let all = "";
  for await (const piece of stream) all += typeof piece === "string" ? piece : Buffer.from(piece).toString();
  return all;
}

beforeAll(async () => {
  world = await createWorld();
  ({ log } = world.settlement);
  for (let round = 0; round < 4; round++) {
    await world.grant(`user_${round}`, 100n * TST);
    for (let lock = 0; lock < 30 * round; lock++)
      await world.lock(`user_${round}`, `agreement-${round}-${lock}`, TST / 10n);
    await world.settlement.run();
  }
  lines = (await read(await world.settlement.journal(0, 1_000_000))).split("\n").slice(0, -1);
  for (const line of lines) tree.append(line);
  sizes = (await world.settlement.epochs(null, 100)).map(({ journalSize }) => journalSize).reverse();
}, 60_000);
afterAll(() => world?.close());

describe("checkpoints", () => {
  it("are signed for every epoch, with its size and root", async () => {
    const epochs = await world.settlement.epochs(null, 100);
    expect(epochs.length).toBe(4);
    expect(lines.length).toBe(epochs[0]?.journalSize);
    expect(lines.length).toBeGreaterThan(TILE_WIDTH);
    const checkpoints = await log.checkpoints(null, 100);
    expect(checkpoints.map(({ size }) => size)).toEqual(epochs.map(({ journalSize }) => journalSize));
    for (const [at, checkpoint] of checkpoints.entries()) {
      const { header } = epochs[at] ?? {};
      expect(checkpoint.root).toBe(header?.journalRoot);
      const opened = await openCheckpoint(checkpoint.note, [parseVerifierKey(checkpoint.verifierKey)]);
      expect(opened).toMatchObject({ origin: "log.example/test", size: header?.journalSize });
      expect(opened.root).toBe(tree.rootAt(BigInt(checkpoint.size)));
      expect(await log.checkpoint(checkpoint.size)).toEqual(checkpoint);
    }
    expect(await log.latest()).toEqual(checkpoints[0]);
    expect(await log.checkpoints(sizes[2] ?? 0, 1)).toEqual([checkpoints[2]]);
    expect(await log.checkpoint(1)).toBeNull();
  });

  it("hold by no other key, and by no other text", async () => {
    const { note } = (await log.latest()) ?? { note: "" };
    const other = createLogSigner("log.example/test", new Uint8Array(32).fill(8));
    await expect(openCheckpoint(note, [other.key])).rejects.toThrow(/not signed by a key/);
    const elsewhere = createLogSigner("log.example/other", new Uint8Array(32).fill(7));
    await expect(openCheckpoint(note, [elsewhere.key])).rejects.toThrow(/not signed by a key/);
    const forged = note.replace(`\n${lines.length}\n`, `\n${lines.length + 1}\n`);
    await expect(openCheckpoint(forged, [TEST_LOG_SIGNER.key])).rejects.toThrow(/wrong signature/);
  });

  it("are not signed anew where nothing was written", async () => {
    await world.settlement.run();
    expect((await log.checkpoints(null, 100)).length).toBe(4);
  });
});

describe("proofs", () => {
  it("of every line hold in the log of every epoch that holds it", async () => {
    for (const size of sizes)
      for (const index of [0, 1, size >> 1, size - 2, size - 1, 255, 256].filter((at) => at < size)) {
        const found = await log.inclusion(index, size);
        expect(found).toMatchObject({ index, size, line: lines[index], root: tree.rootAt(BigInt(size)) });
        expect(found.leafHash).toBe(toHex(logLeafHash(lines[index] ?? "")));
        expect(found.proof).toEqual(tree.inclusionProof(BigInt(index), BigInt(size)));
        const { line, proof, root } = found;
        expect(verifyInclusion(line, BigInt(index), BigInt(size), proof, root)).toBe(true);
      }
    expect((await log.inclusion(0, null)).size).toBe(lines.length);
  });

  it("of continuity hold between all epochs", async () => {
    for (const from of sizes)
      for (const to of sizes.filter((size) => size >= from)) {
        const { proof, ...ends } = await log.consistency(from, to);
        expect(ends).toEqual({
          from: { size: from, root: tree.rootAt(BigInt(from)) },
          to: { size: to, root: tree.rootAt(BigInt(to)) },
        });
        expect(verifyConsistency(BigInt(from), BigInt(to), proof, ends.from.root, ends.to.root)).toBe(true);
      }
    expect((await log.consistency(1, null)).to.size).toBe(lines.length);
  });

  it("are refused beyond what is signed", async () => {
    const size = lines.length;
    for (const attempt of [
      () => log.inclusion(size, null),
      () => log.inclusion(0, size + 1),
      () => log.consistency(1, size + 1),
      () => log.tile({ level: 0, index: 2n }, 256),
      () => log.tile({ level: 1, index: 0n }, 2),
      () => log.tile({ level: 2, index: 0n }, 1),
      () => log.entries(1n, 256),
    ])
      await expect(attempt()).rejects.toMatchObject({ code: "not_found" });
    await expect(log.consistency(2, 1)).rejects.toMatchObject({ code: "invalid_request" });
  });

  it("are those of the journal as it was signed, also while it grows", async () => {
    await world.grant("user_later", TST);
    expect((await log.latest())?.size).toBe(lines.length);
    await expect(log.inclusion(lines.length, null)).rejects.toMatchObject({ code: "not_found" });
  });
});

describe("tiles", () => {
  it("hold the tree, and the bundles its lines", async () => {
    const size = BigInt(lines.length);
    const partial = lines.length - TILE_WIDTH;
    const tiles = new Map([
      ["0 0", await log.tile({ level: 0, index: 0n }, TILE_WIDTH)],
      ["0 1", await log.tile({ level: 0, index: 1n }, partial)],
      ["1 0", await log.tile({ level: 1, index: 0n }, 1)],
    ]);
    const stored = ({ level, index }: { level: number; index: bigint }) =>
      tiles.get(`${level} ${index}`) ?? new Uint8Array();
    expect(rootFromTiles(size, stored)).toBe(tree.rootAt(size));
    expect(hashesFromTiles(stored)({ level: 3, index: 20n })).toEqual(tree.hashes({ level: 3, index: 20n }));
    // What was a partial tile goes on being one, whatever came after it.
    const narrow = await log.tile({ level: 0, index: 0n }, 7);
    expect(narrow).toEqual(tiles.get("0 0")?.subarray(0, 7 * TILE_HASH_BYTES));
    const read: string[] = [];
    for (const [index, width] of [
      [0n, TILE_WIDTH],
      [1n, partial],
    ] as const) {
      const bundle = Buffer.from(await log.entries(index, width));
      for (let at = 0; at < bundle.length; ) {
        const end = at + 2 + bundle.readUInt16BE(at);
        read.push(bundle.subarray(at + 2, end).toString());
        at = end;
      }
    }
    expect(read).toEqual(lines);
  });
});

describe("what is stored", () => {
  async function asOwner(statement: string): Promise<void> {
    const { ownerUrl, schema } = world.database;
    const client = createClient({ url: ownerUrl, schema, applicationName: "damage" });
    await client.connect();
    try {
      await client.query(`BEGIN; ALTER TABLE log_tile DISABLE TRIGGER USER; ${statement};
        ALTER TABLE log_tile ENABLE TRIGGER USER; COMMIT`);
    } finally {
      await client.end();
    }
  }
  const damage = (tile: number, hash: number) =>
    `UPDATE log_tile SET hashes = set_byte(hashes, ${32 * hash}, 255 - get_byte(hashes, ${32 * hash}))
     WHERE level = 0 AND index = ${tile}`;

  it("leads to no wrong proof where it is damaged", async () => {
    await asOwner(damage(0, 2));
    await expect(log.inclusion(3, null)).rejects.toThrow(/does not hold line 3/);
    await expect(log.consistency(3, null)).rejects.toThrow(/does not continue that of 3/);
    // No hash of its path is the damaged one.
    const { line, proof, root } = await log.inclusion(2, null);
    expect(verifyInclusion(line, 2n, BigInt(lines.length), proof, root)).toBe(true);
    await asOwner(damage(0, 2));
    expect((await log.inclusion(3, null)).line).toBe(lines[3]);
  });

  it("leads to no epoch where its end is damaged", async () => {
    await asOwner(damage(1, 5));
    await expect(log.inclusion(2, null)).rejects.toThrow(/another root .* than was signed/);
    await expect(log.consistency(3, null)).rejects.toThrow(/another root .* than was signed/);
    await expect(world.settlement.run()).rejects.toThrow(/does not continue the log of epoch 4/);
    expect((await log.latest())?.size).toBe(lines.length);
    await asOwner(damage(1, 5));
    expect((await world.settlement.run()).epoch?.epoch).toBe(5);
    expect((await log.inclusion(2, null)).line).toBe(lines[2]);
  });

  it("is written again from the journal where all of it is lost", async () => {
    await world.grant("user_after", TST);
    await asOwner("DELETE FROM log_tile");
    expect((await world.settlement.run()).epoch?.epoch).toBe(6);
    const { size = 0 } = (await log.latest()) ?? {};
    expect(size).toBeGreaterThan(lines.length);
    expect((await log.inclusion(size - 1, null)).size).toBe(size);
    expect((await log.consistency(lines.length, null)).from.root).toBe(tree.rootAt(BigInt(lines.length)));
  });
});

/**
 * Every proof of every log of 0 to 300 lines holds, by tiles as by the whole
 * tree, and none holds with a bit changed. A bit's place in a hash makes no
 * difference to how it is checked: small logs have every bit changed, larger ones
 * one bit, another one each time, of each hash of a proof or of one of them in turn.
 */
import { describe, expect, test } from "vitest";
import {
  consistencyProof,
  type Hex,
  hashesFromTiles,
  inclusionProof,
  LogTree,
  logLeafHash,
  rootFromTiles,
  type SubtreeHashes,
  TileBuilder,
  type TileName,
  verifyConsistency,
  verifyInclusion,
} from "#proof";

const SIZES = 300;
/** Up to here every bit is changed. */
const SMALL = 10;
const HASH_BITS = 256;
/** 45,000 proofs take seconds, and on a busy machine many. */
const LONG_MS = 240_000;

const lines = Array.from({ length: SIZES }, (_, number) => `{"line":"${number}"}`);
const tree = new LogTree();
const builder = new TileBuilder();
const tiles = new Map<string, Uint8Array>();
for (const line of lines) {
  tree.append(line);
  builder.append(logLeafHash(line));
}
for (const { level, index, hashes } of builder.takeChanged()) tiles.set(`${level} ${index}`, hashes);
const stored = ({ level, index }: TileName) => tiles.get(`${level} ${index}`) ?? new Uint8Array();

function flipped(hash: Hex, bit: number): Hex {
  const digit = 2 + Math.floor(bit / 4);
  const value = Number.parseInt(hash.charAt(digit), 16) ^ (1 << (bit % 4));
  return `0x${hash.slice(2, digit)}${value.toString(16)}${hash.slice(digit + 1)}`;
}

/** The bits of a hash that are changed in the `round`th proof of a log of `size` lines. */
function bitsOf(size: number, round: number): number[] {
  if (size > SMALL) return [(size * 31 + round * 7) % HASH_BITS];
  return Array.from({ length: HASH_BITS }, (_, bit) => bit);
}

/** Which of a proof's hashes are: all of them in every fourth proof. */
function placesOf(proof: readonly Hex[], size: number, round: number): number[] {
  const places = [...proof.keys()];
  return size <= SMALL || (size + round) % 4 === 0
    ? places
    : places.filter((at) => at === round % proof.length);
}

/** The proof with one bit changed, for each of these bits and hashes. */
function* changed(proof: readonly Hex[], size: number, round: number): Generator<Hex[]> {
  for (const at of placesOf(proof, size, round))
    for (const bit of bitsOf(size, round)) yield proof.with(at, flipped(proof[at] ?? "0x", bit));
}

/** By tiles, each subtree hashed once. */
function fromTiles(): SubtreeHashes {
  const [hashes, known] = [hashesFromTiles(stored), new Map<string, Uint8Array>()];
  return (subtree) => {
    const name = `${subtree.level} ${subtree.index}`;
    const hash = known.get(name) ?? hashes(subtree);
    known.set(name, hash);
    return hash;
  };
}

describe("every log of 0 to 300 lines", () => {
  test("has the same roots by its tiles", () => {
    for (let size = 0n; size <= SIZES; size++) expect(rootFromTiles(size, stored)).toBe(tree.rootAt(size));
  });

  test(
    "proves each of its lines, and with no bit changed",
    () => {
      const hashes = fromTiles();
      for (let size = 1; size <= SIZES; size++) {
        const [of, root] = [BigInt(size), tree.rootAt(BigInt(size))];
        for (let number = 0; number < size; number++) {
          const [index, line] = [BigInt(number), lines[number] ?? ""];
          const proof = tree.inclusionProof(index, of);
          const holds = (found: readonly Hex[]) => verifyInclusion(line, index, of, found, root);
          const bits = bitsOf(size, number);
          const failures = [
            !holds(proof),
            inclusionProof(index, of, hashes).join() !== proof.join(),
            [...changed(proof, size, number)].some(holds),
            bits.some((bit) => verifyInclusion(line, index, of, proof, flipped(root, bit))),
            verifyInclusion(`${line} `, index, of, proof, root),
          ];
          expect(failures.indexOf(true), `line ${number} of ${size}`).toBe(-1);
        }
      }
    },
    LONG_MS,
  );

  test(
    "proves that it continues each before it, and with no bit changed",
    () => {
      const hashes = fromTiles();
      for (let size = 1; size <= SIZES; size++) {
        const [now, root] = [BigInt(size), tree.rootAt(BigInt(size))];
        expect(verifyConsistency(0n, now, [], tree.rootAt(0n), root)).toBe(true);
        for (let before = 1; before <= size; before++) {
          const [old, oldRoot] = [BigInt(before), tree.rootAt(BigInt(before))];
          const proof = tree.consistencyProof(old, now);
          const holds = (found: readonly Hex[]) => verifyConsistency(old, now, found, oldRoot, root);
          const bits = bitsOf(size, before);
          const failures = [
            !holds(proof),
            consistencyProof(old, now, hashes).join() !== proof.join(),
            [...changed(proof, size, before)].some(holds),
            bits.some((bit) => verifyConsistency(old, now, proof, flipped(oldRoot, bit), root)),
            bits.some((bit) => verifyConsistency(old, now, proof, oldRoot, flipped(root, bit))),
          ];
          expect(failures.indexOf(true), `${before} to ${size}`).toBe(-1);
        }
      }
    },
    LONG_MS,
  );
});

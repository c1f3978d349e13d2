/**
 * The append-only log over journal lines: an RFC 6962 Merkle tree with SHA-256.
 * `LogFrontier` is all that a writer needs to go on appending, O(log n) hashes;
 * `LogTree` (log-proof.ts) keeps every perfect subtree, for proofs of any
 * prefix. Sizes and indexes are bigint, because headers carry them as u64.
 */
import { fromHex, type Hex, toHex } from "./bytes.ts";
import { FormatError } from "./format-error.ts";
import { sha256 } from "./hash.ts";
import { readList, readMembers, readUint, requireHex } from "./strict-json.ts";

/** SHA-256(0x00 ‖ line): `line` without its newline. */
export function logLeafHash(line: string | Uint8Array): Uint8Array {
  if (typeof line === "string") return sha256(`\0${line}`);
  const message = new Uint8Array(1 + line.length);
  message.set(line, 1);
  return sha256(message);
}

const nodeMessage = new Uint8Array(65);
nodeMessage[0] = 1;

/** SHA-256(0x01 ‖ left ‖ right). */
export function logNodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  nodeMessage.set(left, 1);
  nodeMessage.set(right, 33);
  return sha256(nodeMessage);
}

/** The root of a log without lines: SHA-256 of the empty string. */
export const EMPTY_LOG_ROOT: Hex = toHex(sha256(new Uint8Array(0)));

/** Joins neighbouring subtrees, largest first, into the root above them. */
export function foldSubtrees(hashes: readonly Uint8Array[]): Uint8Array {
  const last = hashes.at(-1);
  if (!last) throw new FormatError("log", "has no subtree to fold");
  return hashes.slice(0, -1).reduceRight((right, left) => logNodeHash(left, right), last);
}

export interface LogFrontierJson {
  readonly size: string;
  /** Roots of the perfect subtrees that the size is made of, largest first. */
  readonly hashes: readonly Hex[];
}

export class LogFrontier {
  #size: bigint;
  readonly #hashes: Uint8Array[];

  private constructor(size: bigint, hashes: Uint8Array[]) {
    this.#size = size;
    this.#hashes = hashes;
  }

  static empty(): LogFrontier {
    return new LogFrontier(0n, []);
  }

  /** @throws FormatError unless it has one hash for each bit of the size */
  static fromJson(value: unknown): LogFrontier {
    const members = readMembers(value, "frontier", ["size", "hashes"]);
    const size = readUint(members, "size", 64, "frontier");
    const hashes = readList(members.hashes, "frontier.hashes", 64).map((hash) =>
      fromHex(requireHex(hash, 32, "frontier.hashes"), 32),
    );
    if (hashes.length !== size.toString(2).replaceAll("0", "").length)
      throw new FormatError("frontier.hashes", `must be one for each bit of the size ${size}`);
    return new LogFrontier(size, hashes);
  }

  toJson(): LogFrontierJson {
    return { size: `${this.#size}`, hashes: this.#hashes.map(toHex) };
  }

  copy(): LogFrontier {
    return new LogFrontier(this.#size, [...this.#hashes]);
  }

  get size(): bigint {
    return this.#size;
  }

  append(line: string | Uint8Array): void {
    this.appendHash(logLeafHash(line));
  }

  appendHash(leafHash: Uint8Array): void {
    let hash = leafHash;
    for (let carry = this.#size; (carry & 1n) === 1n; carry >>= 1n)
      hash = logNodeHash(this.#hashes.pop() as Uint8Array, hash);
    this.#hashes.push(hash);
    this.#size += 1n;
  }

  root(): Hex {
    return this.#size === 0n ? EMPTY_LOG_ROOT : toHex(foldSubtrees(this.#hashes));
  }
}

/**
 * Keccak-256 of many short messages in one call, as a WebAssembly module that is
 * put together here: a call from JavaScript costs as much as hashing one message,
 * and a tree hashes millions. The module has one function, `hash(count)`, over
 * padded blocks of 136 bytes in its memory; tests hold it to the library's hash.
 * Two messages are hashed at a time, one in each half of a 128-bit word.
 *
 * Format: https://webassembly.github.io/spec/core/binary/; permutation: FIPS 202, 3.2.
 */

/** One block is one message: up to 135 bytes, then 0x01, zeros, and 0x80 in the last byte (one byte 0x81 where they meet). */
export const BLOCK_BYTES = 136;
export const DIGEST_BYTES = 32;
/** Even: the message behind an odd number of them is hashed as well. */
export const BATCH_MESSAGES = 256;
/** So that what follows the first byte of a message, and what follows its first 33, begins at a word. */
export const BLOCKS_AT = 259;
export const DIGESTS_AT = BLOCKS_AT + 1 + BATCH_MESSAGES * BLOCK_BYTES;

const ROUND_CONSTANTS = [
  ...[0x0000000000000001n, 0x0000000000008082n, 0x800000000000808an, 0x8000000080008000n],
  ...[0x000000000000808bn, 0x0000000080000001n, 0x8000000080008081n, 0x8000000000008009n],
  ...[0x000000000000008an, 0x0000000000000088n, 0x0000000080008009n, 0x000000008000000an],
  ...[0x000000008000808bn, 0x800000000000008bn, 0x8000000000008089n, 0x8000000000008003n],
  ...[0x8000000000008002n, 0x8000000000000080n, 0x000000000000800an, 0x800000008000000an],
  ...[0x8000000080008081n, 0x8000000000008080n, 0x0000000080000001n, 0x8000000080008008n],
];
const LANES = 25;
const LANE_BYTES = 8;
const BLOCK_LANES = BLOCK_BYTES / LANE_BYTES;
const DIGEST_LANES = DIGEST_BYTES / LANE_BYTES;
const LANE_BITS = 8 * LANE_BYTES;
/** Hashed side by side. */
const MESSAGES = [0, 1];

const [I32, V128, FUNCTION, NOTHING] = [0x7f, 0x7b, 0x60, 0x40] as const;
const OP = {
  block: 0x02,
  loop: 0x03,
  end: 0x0b,
  branch: 0x0c,
  branchIf: 0x0d,
  get: 0x20,
  set: 0x21,
  tee: 0x22,
  const32: 0x41,
  below32: 0x49,
  notAbove32: 0x4c,
  add32: 0x6a,
  subtract32: 0x6b,
} as const;

/** Of two words of 64 bits at once; their numbers are longer than a byte. */
const SIMD = {
  loadBoth: vectorOp(0x0a),
  const: vectorOp(0x0c),
  /** The left one, and not the right one. */
  andNot: vectorOp(0x4f),
  or: vectorOp(0x50),
  xor: vectorOp(0x51),
  loadWord: vectorOp(0x57),
  storeWord: vectorOp(0x5b),
  shiftLeft: vectorOp(0xcb),
  shiftRight: vectorOp(0xcd),
} as const;
const NONE = [...SIMD.const, ...new Uint8Array(2 * LANE_BYTES)];

/** The function's locals: its parameter, where it reads, where it writes, the round; then the lanes. */
const [COUNT, FROM, TO, ROUND] = [0, 1, 2, 3] as const;
const lane = (x: number, y: number): number => 4 + (x % 5) + 5 * (y % 5);
const moved = (x: number, y: number): number => lane(x, y) + LANES;
const parity = (x: number): number => 4 + 2 * LANES + (x % 5);
const MIXED = 4 + 2 * LANES + 5;

const FIVE = [0, 1, 2, 3, 4];

/** What is used of it; the types for Node alone do not know it. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

export interface KeccakMemory {
  readonly memory: { readonly buffer: ArrayBuffer };
  hash(count: number): void;
}

const module = new WebAssembly.Module(moduleBytes());

/** With memory of its own. */
export function startKeccak(): KeccakMemory {
  return new WebAssembly.Instance(module).exports as KeccakMemory;
}

function moduleBytes(): Uint8Array {
  const constants = new DataView(new ArrayBuffer(ROUND_CONSTANTS.length * LANE_BYTES));
  ROUND_CONSTANTS.forEach((value, round) => {
    constants.setBigUint64(round * LANE_BYTES, value, true);
  });
  const body = [
    ...vector([
      [3, I32],
      [2 * LANES + 6, V128],
    ]),
    ...hashCode(),
    OP.end,
  ];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, vector([[FUNCTION, ...vector([[I32]]), ...vector([])]])),
    ...section(3, vector([[0]])),
    // One page.
    ...section(5, vector([[0x00, 1]])),
    ...section(
      7,
      vector([
        [...name("memory"), 0x02, 0],
        [...name("hash"), 0x00, 0],
      ]),
    ),
    ...section(10, vector([[...unsigned(body.length), ...body]])),
    ...section(
      11,
      vector([
        [0x00, OP.const32, 0, OP.end, ...vector([...new Uint8Array(constants.buffer)].map((byte) => [byte]))],
      ]),
    ),
  ]);
}

function hashCode(): number[] {
  const code = [
    OP.const32,
    ...signed(BLOCKS_AT),
    OP.set,
    FROM,
    OP.const32,
    ...signed(DIGESTS_AT),
    OP.set,
    TO,
  ];
  code.push(OP.block, NOTHING, OP.loop, NOTHING, OP.get, COUNT, OP.const32, 0, OP.notAbove32, OP.branchIf, 1);
  for (let number = 0; number < LANES; number++) {
    const [x, y] = [number % 5, Math.floor(number / 5)];
    code.push(...(number < BLOCK_LANES ? loadCode(number) : NONE), OP.set, lane(x, y));
  }
  code.push(OP.const32, 0, OP.set, ROUND, OP.loop, NOTHING, ...roundCode());
  code.push(OP.get, ROUND, OP.const32, LANE_BYTES, OP.add32, OP.tee, ROUND);
  code.push(OP.const32, ...signed(ROUND_CONSTANTS.length * LANE_BYTES), OP.below32, OP.branchIf, 0, OP.end);
  for (const message of MESSAGES)
    for (let x = 0; x < DIGEST_LANES; x++) {
      const at = message * DIGEST_BYTES + x * LANE_BYTES;
      code.push(OP.get, TO, OP.get, lane(x, 0), ...SIMD.storeWord, 0, ...unsigned(at), message);
    }
  code.push(...advance(FROM, MESSAGES.length * BLOCK_BYTES), ...advance(TO, MESSAGES.length * DIGEST_BYTES));
  code.push(OP.get, COUNT, OP.const32, MESSAGES.length, OP.subtract32, OP.set, COUNT);
  code.push(OP.branch, 0, OP.end, OP.end);
  return code;
}

/** A word of each message. */
function loadCode(number: number): number[] {
  const at = (message: number) => unsigned(message * BLOCK_BYTES + number * LANE_BYTES);
  const [first, second] = MESSAGES.map((message) => [...SIMD.loadWord, 0, ...at(message), message]);
  return [OP.get, FROM, OP.get, FROM, ...NONE, ...(first ?? []), ...(second ?? [])];
}

function advance(local: number, bytes: number): number[] {
  return [OP.get, local, OP.const32, ...signed(bytes), OP.add32, OP.set, local];
}

/** Theta, rho and pi, chi, iota. */
function roundCode(): number[] {
  const code: number[] = [];
  for (const x of FIVE) {
    code.push(OP.get, lane(x, 0));
    for (const y of FIVE.slice(1)) code.push(OP.get, lane(x, y), ...SIMD.xor);
    code.push(OP.set, parity(x));
  }
  const rotations = rotationsByLane();
  for (const x of FIVE) {
    code.push(
      OP.get,
      parity(x + 4),
      OP.get,
      parity(x + 1),
      ...rotateLeft(1, MIXED),
      ...SIMD.xor,
      OP.set,
      MIXED,
    );
    for (const y of FIVE) {
      const to = moved(y, 2 * x + 3 * y);
      code.push(OP.get, lane(x, y), OP.get, MIXED, ...SIMD.xor);
      code.push(...rotateLeft(rotations.get(lane(x, y)) ?? 0, to), OP.set, to);
    }
  }
  for (const y of FIVE)
    for (const x of FIVE) {
      code.push(OP.get, moved(x, y), OP.get, moved(x + 2, y), OP.get, moved(x + 1, y), ...SIMD.andNot);
      code.push(...SIMD.xor, OP.set, lane(x, y));
    }
  code.push(OP.get, lane(0, 0), OP.get, ROUND, ...SIMD.loadBoth, 0, 0, ...SIMD.xor, OP.set, lane(0, 0));
  return code;
}

/** What is on the stack, by `bits`. @param meanwhile a local that it may use */
function rotateLeft(bits: number, meanwhile: number): number[] {
  if (bits === 0) return [];
  return [
    ...[OP.tee, meanwhile, OP.const32, ...signed(bits), ...SIMD.shiftLeft],
    ...[OP.get, meanwhile, OP.const32, ...signed(LANE_BITS - bits), ...SIMD.shiftRight, ...SIMD.or],
  ];
}

function rotationsByLane(): Map<number, number> {
  const rotations = new Map<number, number>();
  let [x, y] = [1, 0];
  for (let step = 0; step < LANES - 1; step++) {
    rotations.set(lane(x, y), (((step + 1) * (step + 2)) / 2) % 64);
    [x, y] = [y, (2 * x + 3 * y) % 5];
  }
  return rotations;
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function vector(elements: readonly (readonly number[])[]): number[] {
  return [...unsigned(elements.length), ...elements.flat()];
}

function name(text: string): number[] {
  return vector([...text].map((letter) => [letter.charCodeAt(0)]));
}

function vectorOp(number: number): number[] {
  return [0xfd, ...unsigned(number)];
}

/** LEB128. */
function unsigned(value: number): number[] {
  const low = value & 0x7f;
  return value < 0x80 ? [low] : [low | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: number): number[] {
  const low = value & 0x7f;
  const rest = value >> 7;
  const isLast = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
  return isLast ? [low] : [low | 0x80, ...signed(rest)];
}

/**
 * Leaves as their bytes, by place: some hundred bytes each, whatever their number,
 * and places that nobody wrote cost nothing by themselves.
 */
import { type Hex, LEAF_RECORD, LEAF_RECORD_BYTES, type Leaf } from "#proof";

const PIECE_LEAVES = 1_024;
const {
  owner: OWNER,
  key: KEY,
  amount: AMOUNT,
  validUntil: VALID_UNTIL,
  kind: KIND,
  quantity: QUANTITY,
} = LEAF_RECORD;

export class LeafRecords {
  readonly #pieces: (Buffer | undefined)[] = [];
  #length = 0;

  /** One more than the highest place that was written. */
  get length(): number {
    return this.#length;
  }

  /** @param leaf as a leaf file has it: every value fits its width */
  set(place: number, leaf: Leaf): void {
    const piece = this.#pieceOf(place);
    const at = startOf(place);
    piece.writeBigUInt64BE(leaf.index, at);
    piece.write(leaf.owner.slice(2), at + OWNER, "hex");
    piece.write(leaf.key.slice(2), at + KEY, "hex");
    piece.writeBigUInt64BE(leaf.amount >> 64n, at + AMOUNT);
    piece.writeBigUInt64BE(BigInt.asUintN(64, leaf.amount), at + AMOUNT + 8);
    piece.writeBigUInt64BE(leaf.validUntil, at + VALID_UNTIL);
    piece.writeUInt32BE(leaf.kind, at + KIND);
    piece.writeUInt32BE(leaf.quantity, at + QUANTITY);
  }

  /** What is in that place; all zeros where nothing was written. */
  at(place: number): Leaf {
    const piece = this.#pieces[Math.floor(place / PIECE_LEAVES)] ?? NOTHING;
    const at = startOf(place);
    return {
      index: piece.readBigUInt64BE(at),
      owner: hexOf(piece, at + OWNER, at + KEY),
      key: hexOf(piece, at + KEY, at + AMOUNT),
      amount: (piece.readBigUInt64BE(at + AMOUNT) << 64n) | piece.readBigUInt64BE(at + AMOUNT + 8),
      validUntil: piece.readBigUInt64BE(at + VALID_UNTIL),
      kind: piece.readUInt32BE(at + KIND),
      quantity: piece.readUInt32BE(at + QUANTITY),
    };
  }

  /** Puts each of the other's leaves where its index says. */
  putAll(others: LeafRecords): void {
    for (let number = 0; number < others.length; number++) {
      const from = others.#pieceOf(number);
      const start = startOf(number);
      const place = Number(from.readBigUInt64BE(start));
      from.copy(this.#pieceOf(place), startOf(place), start, start + LEAF_RECORD_BYTES);
    }
  }

  *[Symbol.iterator](): Generator<Leaf> {
    for (let place = 0; place < this.#length; place++) yield this.at(place);
  }

  #pieceOf(place: number): Buffer {
    const number = Math.floor(place / PIECE_LEAVES);
    if (place >= this.#length) this.#length = place + 1;
    let piece = this.#pieces[number];
    if (!piece) {
      piece = Buffer.alloc(PIECE_LEAVES * LEAF_RECORD_BYTES);
      this.#pieces[number] = piece;
    }
    return piece;
  }
}

const NOTHING = Buffer.alloc(PIECE_LEAVES * LEAF_RECORD_BYTES);

function startOf(place: number): number {
  return (place % PIECE_LEAVES) * LEAF_RECORD_BYTES;
}

function hexOf(bytes: Buffer, from: number, to: number): Hex {
  return `0x${bytes.toString("hex", from, to)}`;
}

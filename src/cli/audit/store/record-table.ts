/**
 * Records of a fixed width, by number from 0, in pages of memory: a record costs
 * its bytes and nothing else, and growing copies nothing. What the bytes mean is
 * the caller's; integers are big-endian, as everywhere in the format.
 */
const PAGE_RECORDS = 8_192;

export class RecordTable {
  readonly recordBytes: number;
  #pages: Buffer[] = [];
  #length = 0;

  constructor(recordBytes: number) {
    this.recordBytes = recordBytes;
  }

  get length(): number {
    return this.#length;
  }

  get bytes(): number {
    return this.#pages.length * PAGE_RECORDS * this.recordBytes;
  }

  /** Makes a record of zeros and answers its number. */
  append(): number {
    if (this.#length === this.#pages.length * PAGE_RECORDS)
      this.#pages.push(Buffer.alloc(PAGE_RECORDS * this.recordBytes));
    return this.#length++;
  }

  /** The page that holds the record; it begins at `offset(number)`. */
  page(number: number): Buffer {
    return this.#pages[Math.floor(number / PAGE_RECORDS)] as Buffer;
  }

  offset(number: number): number {
    return (number % PAGE_RECORDS) * this.recordBytes;
  }

  /** All records, page after page. */
  *stored(): Generator<Buffer> {
    for (let page = 0; page < this.#pages.length; page++) {
      const records = Math.min(PAGE_RECORDS, this.#length - page * PAGE_RECORDS);
      yield (this.#pages[page] as Buffer).subarray(0, records * this.recordBytes);
    }
  }

  /** The inverse of `stored`: how many records there are, and their bytes piece by piece. */
  *restore(length: number): Generator<Buffer> {
    this.#pages = [];
    this.#length = length;
    for (let done = 0; done < length; done += PAGE_RECORDS) {
      const page = Buffer.alloc(PAGE_RECORDS * this.recordBytes);
      this.#pages.push(page);
      yield page.subarray(0, Math.min(PAGE_RECORDS, length - done) * this.recordBytes);
    }
  }

  clear(): void {
    this.#pages = [];
    this.#length = 0;
  }
}

export function readU128At(page: Buffer, at: number): bigint {
  const high = page.readBigUInt64BE(at);
  const low = page.readBigUInt64BE(at + 8);
  return high === 0n ? low : (high << 64n) | low;
}

/** @param value below 2^128 */
export function writeU128At(page: Buffer, at: number, value: bigint): void {
  page.writeBigUInt64BE(value >> 64n, at);
  page.writeBigUInt64BE(BigInt.asUintN(64, value), at + 8);
}

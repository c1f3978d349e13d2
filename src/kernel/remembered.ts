/**
 * Remembers a bounded number of values under their keys, the ones used last. Two
 * maps in turn: when the newer is full it becomes the older, and what was in that
 * one and nobody asked for is gone. Taking out the oldest entry one by one would
 * not do: a Map walks over every place that was emptied before (40 µs each at
 * 50,000 entries).
 */
export class Remembered<K, V> {
  readonly #half: number;
  #newer = new Map<K, V>();
  #older = new Map<K, V>();

  /** @param most how many are remembered at most; at least half as many of the last used ones are */
  constructor(most: number) {
    this.#half = Math.max(1, Math.floor(most / 2));
  }

  get(key: K): V | undefined {
    const value = this.#newer.get(key);
    if (value !== undefined) return value;
    const known = this.#older.get(key);
    if (known !== undefined) this.set(key, known);
    return known;
  }

  set(key: K, value: V): void {
    if (this.#newer.size >= this.#half && !this.#newer.has(key)) {
      this.#older = this.#newer;
      this.#newer = new Map();
    }
    this.#newer.set(key, value);
  }
}

/** Changes to plain maps that can be taken back: for chains that fall, requests that are refused, and questions. */
export class Undo {
  readonly #steps: (() => void)[] = [];
  #depth = 0;

  set<K, V>(map: Map<K, V>, key: K, value: V): void {
    if (this.#depth > 0) {
      const [had, before] = [map.has(key), map.get(key)];
      this.#steps.push(() => {
        if (had) map.set(key, before as V);
        else map.delete(key);
      });
    }
    map.set(key, value);
  }

  delete<K, V>(map: Map<K, V>, key: K): void {
    const before = map.get(key);
    if (before === undefined) return;
    if (this.#depth > 0) this.#steps.push(() => map.set(key, before));
    map.delete(key);
  }

  /** Keeps what `change` did where it answers `keep`; where it does not, or throws, nothing of it stays. */
  attempt<T>(change: () => { readonly value: T; readonly keep: boolean }): T {
    const from = this.#steps.length;
    this.#depth += 1;
    let keep = false;
    try {
      const done = change();
      keep = done.keep;
      return done.value;
    } finally {
      this.#depth -= 1;
      if (!keep) for (const step of this.#steps.splice(from).reverse()) step();
      if (this.#depth === 0) this.#steps.length = 0;
    }
  }
}

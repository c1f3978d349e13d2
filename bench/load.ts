/**
 * Closed loops: a number of clients, each of which asks again as soon as it is
 * answered. What happens before the warm-up is over is not counted.
 */
export interface LoopOptions {
  readonly clients: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
}

export interface LoopReport {
  readonly perSecond: number;
  readonly latencies: Latencies;
}

/** @param work one request of one client; a rejection ends the whole measurement */
export async function runLoops(
  options: LoopOptions,
  work: (client: number) => Promise<unknown>,
): Promise<LoopReport> {
  const begin = performance.now() + options.warmUpMs;
  const end = begin + options.durationMs;
  const latencies = new Latencies();
  let answers = 0;
  let failed = false;
  const loop = async (client: number) => {
    for (let asked = performance.now(); asked < end && !failed; ) {
      await work(client);
      const answered = performance.now();
      if (answered >= begin && answered <= end) answers += 1;
      if (asked >= begin) latencies.add(answered - asked);
      asked = answered;
    }
  };
  const loops = Array.from({ length: options.clients }, (_, client) =>
    loop(client).catch((error: unknown) => {
      failed = true;
      throw error;
    }),
  );
  const outcomes = await Promise.allSettled(loops);
  const refused = outcomes.find((outcome) => outcome.status === "rejected");
  if (refused) throw refused.reason;
  if (answers === 0) throw new Error("nothing was answered in the time that was measured");
  return { perSecond: (answers * 1000) / options.durationMs, latencies };
}

export class Latencies {
  readonly #ms: number[] = [];
  #sorted = true;

  add(ms: number): void {
    this.#ms.push(ms);
    this.#sorted = false;
  }

  addAll(others: Latencies): void {
    for (const ms of others.#ms) this.add(ms);
  }

  get count(): number {
    return this.#ms.length;
  }

  /** @param share 0.5 is the median */
  quantileMs(share: number): number {
    if (!this.#sorted) this.#ms.sort((a, b) => a - b);
    this.#sorted = true;
    return this.#ms[Math.min(this.#ms.length - 1, Math.floor(share * this.#ms.length))] ?? Number.NaN;
  }
}

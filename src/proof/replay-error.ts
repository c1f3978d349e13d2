/** A journal line that cannot follow the lines before it; `seq` is the first that is wrong. */
export class ReplayError extends Error {
  readonly seq: bigint;

  constructor(seq: bigint, reason: string) {
    super(`journal line ${seq} ${reason}`);
    this.name = "ReplayError";
    this.seq = seq;
  }
}

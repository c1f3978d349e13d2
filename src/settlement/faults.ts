/**
 * Where a process can die in a settlement, by name, so that tests can make it
 * die exactly there. The server passes nothing.
 */
export type FaultPoint =
  | "before-closing"
  /** Everything of the epoch is written, but not committed. */
  | "before-commit-of-transaction"
  | "closed"
  | "published"
  /** The signed transaction is stored, but not broadcast. */
  | "signed"
  | "broadcast"
  /** Mined, but not recorded. */
  | "mined"
  | "recorded";

export type Faults = (point: FaultPoint, epoch: number) => void | Promise<void>;

export const noFaults: Faults = () => {};

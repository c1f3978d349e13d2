/**
 * Where a process can die in a settlement: every step by name, in the order of a
 * run, so that tests can make it die exactly there and miss none. The server
 * passes nothing.
 */
export const FAULT_POINTS = [
  "before-closing",
  /** Everything of the epoch is written, but not committed. */
  "before-commit-of-transaction",
  "closed",
  /** What a reorg took is written down as lost. */
  "taken-back",
  /** Its files are written, but the folder has not got its name. */
  "publishing",
  "published",
  /** The signed transaction is stored, but not broadcast. */
  "commit-signed",
  "commit-broadcast",
  /** One with a higher fee is stored in its place, but not broadcast. */
  "replacement-signed",
  /** Mined, but not recorded. */
  "commit-mined",
  "commit-recorded",
  /** An attester's signature is stored, but not answered. */
  "attested",
  "finalize-signed",
  "finalize-broadcast",
  "finalize-mined",
  "finalize-recorded",
  "serve-signed",
  "serve-broadcast",
  "serve-mined",
  "serve-recorded",
  /** A veto is written down. */
  "vetoed",
  /** The vetoed epochs are taken out, but not committed. */
  "releasing",
  "released",
] as const;

export type FaultPoint = (typeof FAULT_POINTS)[number];

export type Faults = (point: FaultPoint, epoch: number) => void | Promise<void>;

export const noFaults: Faults = () => {};

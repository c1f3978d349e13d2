/**
 * Transfers between two ledgers of a server: two halves, each in its own
 * journal, through a clearing account of each. Exactly once, whatever is killed
 * between two steps. Must not write to two ledgers in one step.
 */
export type { DepartureRead, Waiting } from "./departures.ts";
export {
  type InterLedger,
  type InterLedgerOptions,
  type NamedClearing,
  openInterLedger,
  type Peer,
  type Step,
} from "./inter-ledger.ts";
export { type DepartureState, STATES } from "./tables.ts";
export type { SendAnswer, SendRequest } from "./units.ts";

/**
 * How a chain event gets into the journal: once for its place on the chain, and in the order in which the batch
 * decides, because the transfers that follow from it stand directly behind it. What an event means is for those who
 * record it, but for one thing that the ledger itself has to know: from the line of a demand to the line that says it
 * was served, nothing but the sweep debits the account, so that nobody's balance can be spent while they leave with it.
 */
import { DomainError } from "#kernel";
import type { Layer } from "./layer.ts";
import type { ChainEvent, ChainEventPlace } from "./unit.ts";

/** The code of the one transfer that may debit an account while its exit is demanded. */
export const EXIT_SWEEP = "exit_sweep";

const DEMANDED = "ExitDemanded";
const SERVED = "DemandServed";

export function chainLineKey({ chainId, txHash, logIndex }: ChainEventPlace): string {
  return `${chainId}/${txHash.slice(2)}/${logIndex}`;
}

/** @param firstSeq where the batch's lines begin @returns the line's place; null where it was written before */
export function recordChainEvent(layer: Layer, event: ChainEvent, firstSeq: number): number | null {
  const key = chainLineKey(event);
  if (layer.get("chainLine", key)) return null;
  applyDemand(layer, event);
  const seq = firstSeq + layer.lineCount;
  layer.set("chainLine", key, { seq });
  layer.writes.chainLines.push({ ...event, at: layer.writes.transfers.length });
  return seq;
}

function applyDemand(layer: Layer, { event, account: id }: ChainEvent): void {
  if ((event === DEMANDED || event === SERVED) !== (id !== undefined))
    throw new Error(`the event ${event} is recorded ${id === undefined ? "without" : "with"} an account`);
  if (id === undefined) return;
  const account = layer.get("account", id);
  if (!account || !layer.get("position", id)) throw new Error(`${id} is no settled account`);
  if (account.exitDemanded === (event === DEMANDED))
    throw new Error(`a demand for ${id} is ${account.exitDemanded ? "open already" : "not open"}`);
  layer.set("account", id, { ...account, exitDemanded: event === DEMANDED });
}

export function exitDemanded(): DomainError {
  return new DomainError(
    "exit_demanded",
    "The owner has demanded to leave with this position on-chain; until that is served nothing else is taken from it",
  );
}

/** The settlement of a ledger without contracts: there is no epoch, and whoever asks for one to be made is told why. */
import { DomainError } from "#kernel";
import { noJournalLog } from "./journal-log.ts";
import { NO_OWNERSHIP } from "./ownership.ts";
import type { Settlement } from "./settlement.ts";
import { noChainReads } from "./watcher/chain-reads.ts";

const WHY =
  'This ledger settles nowhere: it has no contracts. "anchorbook deploy --ledger NAME" deploys them; then start the server again';

export function noSettlement(): Settlement {
  const refuse = async () => {
    throw new DomainError("unavailable", WHY, { retryAfterSeconds: 60 });
  };
  const nothing = async () => {};
  return {
    ...{ asset: null, record: null, finalityDepth: 0 },
    run: refuse,
    settle: nothing,
    advance: nothing,
    release: async () => null,
    heldBack: async () => null,
    attest: async (epoch) => {
      throw new DomainError("not_found", `There is no epoch ${epoch}. ${WHY}`);
    },
    attestations: async (epoch) => {
      throw new DomainError("not_found", `There is no epoch ${epoch}. ${WHY}`);
    },
    idle: nothing,
    stop: nothing,
    settlementOf: async () => new Map(),
    epochsOfLines: async () => new Map(),
    newestFinal: async () => null,
    ownership: async () => NO_OWNERSHIP,
    proof: async () => {
      throw new DomainError("not_found", WHY);
    },
    latestEpoch: async () => null,
    epoch: async () => null,
    epochs: async () => [],
    leaves: async (epoch) => {
      throw new DomainError("not_found", `There is no epoch ${epoch}. ${WHY}`);
    },
    journal: async () => noLines(),
    log: noJournalLog(),
    progress: refuse,
    watcher: null,
    chain: noChainReads(),
  };
}

async function* noLines(): AsyncGenerator<string> {}

/**
 * Settlement over HTTP: run it, look at epochs and contracts, fetch proofs. Who
 * may see a balance's proof and the opening of any is decided here; everything
 * else is the settlement's.
 */
import { z } from "zod";
import { DomainError, toRfc3339 } from "#kernel";
import type { Ledger } from "#ledger";
import { headerToJson, proofToJson, type Section } from "#proof";
import type { EpochView, PositionName, RunOutcome, Settlement } from "#settlement";
import { answerOnce } from "../answer-once.ts";
import { hasRole, type Principal, requireOwner } from "../principal.ts";
import { defineRoute, type Route } from "../route.ts";
import { decodeCursor, encodeCursor, listOf, pagination, queryInteger } from "../schemas.ts";
import { attestationRoutes, releaseRoute } from "./attestations.ts";
import {
  assetQuery,
  type BookRoutesDeps,
  RUN_TIMEOUT_MS,
  type SettlementBooks,
  settlementOf,
} from "./settlement-books.ts";
import { contractsOut, epochOut, proofOut, runOut, sectionName } from "./settlement-schemas.ts";

export interface SettlementRouteDeps extends SettlementBooks {
  readonly books?: ReadonlyMap<string, BookRoutesDeps> | undefined;
  /** Keeps the answer of a run under its idempotency key. */
  readonly ledger: Pick<Ledger, "submit">;
  /** Where the chain may be asked by anybody; null keeps it to ourselves. */
  readonly publicRpcUrl: string | null;
  /** The position behind an id: a lock id, a stake id, a reservation id, a withdrawal id, a user id. */
  findPosition(section: Section, id: string, asset: string | undefined): Promise<PositionName | null>;
}

const MAX_EPOCH = Number.MAX_SAFE_INTEGER;
const tags = ["Settlement"] as const;
const isPublic = { public: true } as const;

const epochNumber = queryInteger(1, MAX_EPOCH);
/** Ids of locks, stakes and reservations, or a user's; the treasury's begins with "@". */
const positionId = z.string().regex(/^@?[A-Za-z0-9][A-Za-z0-9._:@+|-]{0,127}$/, {
  error: "must be the id of a lock, a stake, a reservation or a user",
});

export function settlementRoutes(deps: SettlementRouteDeps): Route[] {
  return [
    runRoute(deps),
    epochsRoute(deps),
    latestRoute(deps),
    epochRoute(deps),
    contractsRoute(deps),
    proofRoute(deps),
    ...attestationRoutes(deps),
    releaseRoute(deps),
  ];
}

function runRoute(deps: SettlementRouteDeps): Route {
  const { ledger } = deps;
  const underWay = new Set<string>();
  return defineRoute({
    method: "post",
    path: "/api/v1/admin/settlement/run",
    summary: "Settle now",
    description:
      "Closes an epoch over all that was written before the call and answers when it is on the chain. Where the journal did not grow and nothing was mined for an epoch, the last epoch with the status `unchanged`. Calls at the same time share an epoch. While the chain is down: 503; the epoch is sent by itself once it is back. Where something that was written waits and no epoch may be closed, 503 with the reason: a veto, a frozen book, too many epochs that wait, a chain that nobody has seen for long, a demand that cannot be swept.",
    tags,
    auth: { roles: ["operator"] },
    query: z.strictObject(assetQuery),
    response: runOut,
    errors: ["in_progress", "unavailable", "not_found"],
    timeoutMs: RUN_TIMEOUT_MS,
    async handler({ idempotency, query: { asset } }) {
      const settlement = settlementOf(deps, asset);
      const run = async () => runAnswer(await settlement.run());
      if (!idempotency) return run();
      const name = JSON.stringify([idempotency.principal, idempotency.key]);
      if (underWay.has(name)) throw inProgress();
      underWay.add(name);
      try {
        return await answerOnce(ledger, idempotency, "settlement.run", run);
      } finally {
        underWay.delete(name);
      }
    },
  });
}

type RunAnswer = z.input<typeof runOut>;

function inProgress(): DomainError {
  return new DomainError("in_progress", "A settlement run under this key has not finished");
}

function runAnswer({ outcome, epoch }: RunOutcome): RunAnswer {
  if (!epoch) return { epoch: null, status: "unchanged", header_hash: null, tx_hash: null };
  const status = outcome === "unchanged" ? "unchanged" : epoch.status;
  return { epoch: epoch.epoch, status, header_hash: epoch.headerHash, tx_hash: epoch.txHash };
}

function epochsRoute(deps: SettlementRouteDeps): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/settlement/epochs",
    summary: "Epochs, newest first",
    tags,
    auth: isPublic,
    query: z.strictObject({ ...pagination, ...assetQuery }),
    response: listOf(epochOut),
    errors: ["not_found"],
    async handler({ query: { limit, cursor, asset } }) {
      const settlement = settlementOf(deps, asset);
      const below = cursor === undefined ? null : readCursor(cursor);
      const epochs = await settlement.epochs(below, limit + 1);
      const page = epochs.slice(0, limit);
      const last = page.at(-1);
      const more = epochs.length > limit && last !== undefined;
      const data = page.map((epoch) => epochAnswer(epoch, settlement));
      return { data, next_cursor: more ? encodeCursor(`${last.epoch}`) : null };
    },
  });
}

function latestRoute(deps: SettlementRouteDeps): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/settlement/epochs/latest",
    summary: "The newest epoch",
    tags,
    auth: isPublic,
    query: z.strictObject(assetQuery),
    response: epochOut,
    errors: ["not_found"],
    async handler({ query }) {
      const settlement = settlementOf(deps, query.asset);
      return epochAnswer(found(await settlement.latestEpoch(), "There is no epoch yet"), settlement);
    },
  });
}

function epochRoute(deps: SettlementRouteDeps): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/settlement/epochs/{n}",
    summary: "One epoch",
    tags,
    auth: isPublic,
    params: z.strictObject({ n: epochNumber }),
    query: z.strictObject(assetQuery),
    response: epochOut,
    errors: ["not_found"],
    async handler({ params: { n }, query }) {
      const settlement = settlementOf(deps, query.asset);
      return epochAnswer(found(await settlement.epoch(n), `There is no epoch ${n}`), settlement);
    },
  });
}

function contractsRoute(deps: SettlementRouteDeps): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/settlement/contracts",
    summary: "The contracts that epochs are anchored in",
    description:
      "404 in a ledger that settles nowhere. A book without a token (of another asset, or of a ledger beside the default one) anchors the journal and holds nothing: `token` is the zero address and `custodians` are the registry itself.",
    tags,
    auth: isPublic,
    query: z.strictObject(assetQuery),
    response: contractsOut,
    errors: ["not_found"],
    handler: ({ query: { asset } }) => {
      const { record } = settlementOf(deps, asset);
      const contracts = found(record, "This ledger settles nowhere: it has no contracts");
      const { chain_id, token, registry, custodians, deployed_block } = contracts;
      const { publicRpcUrl: rpc_url } = deps.books?.get(asset ?? "") ?? deps;
      return {
        ...{ chain_id, rpc_url, token, registry, custodians, deployed_block },
        challenge_window_seconds: contracts.challenge_window_seconds ?? 0,
      };
    },
  });
}

function proofRoute(deps: SettlementRouteDeps): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/proofs/{section}/{id}",
    summary: "Proof of a position in an epoch",
    description:
      "The newest committed epoch that holds the position, or the one asked for. `id` is a lock id, a stake id, a reservation id, or for `balances` the user id. A balance's proof and the `opening` of any are for the owner and the auditor role.",
    tags,
    auth: isPublic,
    params: z.strictObject({ section: sectionName, id: positionId }),
    query: z.strictObject({ epoch: epochNumber.optional(), ...assetQuery }),
    response: proofOut,
    errors: ["not_found", "unauthenticated", "forbidden", "unavailable"],
    async handler({ params: { section, id }, query, principal }) {
      if (section === "balances") requireOwner(principal, id, ["auditor"]);
      const settlement = settlementOf(deps, query.asset);
      const name = await deps.findPosition(section, id, query.asset);
      const position = found(name, `There is no position ${id} in ${section}`);
      const withOpening = mayOpen(principal, position);
      const proof = await settlement.proof({ section, position, epoch: query.epoch ?? null, withOpening });
      const { opening, ...document } = proofToJson(proof);
      return {
        ...document,
        leaf: document.leaf as z.input<typeof proofOut>["leaf"],
        siblings: [...document.siblings],
        header: { ...document.header, sections: [...document.header.sections] },
        ...(opening && { opening: { salt: opening.salt, parts: [...opening.parts] } }),
      };
    },
  });
}

function mayOpen(principal: Principal | null, position: PositionName): boolean {
  return principal !== null && (principal.sub === position.userId || hasRole(principal, "auditor"));
}

/** The finalize's own block is there, whatever block was seen last. */
function blocksBetween(
  finalize: number | null,
  latest: number | null,
  finalAt: number | null,
): number | null {
  if (finalize === null || latest === null || finalAt === null) return null;
  return Math.max(0, finalAt - Math.max(finalize, latest));
}

function epochAnswer(
  epoch: EpochView,
  { finalityDepth }: Pick<Settlement, "finalityDepth">,
): z.input<typeof epochOut> {
  const header = headerToJson(epoch.header);
  const { finalizeBlock, latestBlock, windowUntil } = epoch;
  const finalAt = finalizeBlock === null ? null : finalizeBlock + finalityDepth;
  return {
    epoch: epoch.epoch,
    status: epoch.status,
    header: { ...header, sections: [...header.sections] },
    header_hash: epoch.headerHash,
    tx_hash: epoch.txHash,
    gas_used: epoch.gasUsed,
    block_number: epoch.blockNumber,
    committed_at: epoch.blockTime === null ? null : toRfc3339(epoch.blockTime),
    window_until: windowUntil === null ? null : toRfc3339(windowUntil),
    is_window_open: epoch.isWindowOpen,
    finalize_tx_hash: epoch.finalizeTxHash,
    finalize_gas_used: epoch.finalizeGasUsed,
    finalize_block_number: finalizeBlock,
    final_at_block: finalAt,
    blocks_to_final: blocksBetween(finalizeBlock, latestBlock, finalAt),
    attestations: epoch.attestations,
    journal_size: epoch.journalSize,
    leaves_changed: epoch.leavesChanged,
    closed_at: toRfc3339(epoch.closedAt),
  };
}

function readCursor(cursor: string): number {
  const [number] = decodeCursor(cursor, /^[1-9]\d{0,14}$/);
  return Number.parseInt(number ?? "", 10);
}

function found<T>(value: T | null, message: string): T {
  if (value === null) throw new DomainError("not_found", message);
  return value;
}

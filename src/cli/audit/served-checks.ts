/**
 * What the API says of contracts and epochs against what the chain says. The
 * chain was asked how far it is before the API was, and read as of one moment
 * after it: what the API claims must be there, and what was there already the API
 * must know. But the auditor's node and the server's may each be some blocks
 * behind the other: that is asked again, and no lie.
 */
import { setTimeout as wait } from "node:timers/promises";
import type { DeploymentRecord } from "#infra";
import { toRfc3339 } from "#kernel";
import { type Header, headerHash, SECTIONS, toSafeInteger } from "#proof";
import { type ApiSource, type ServedContracts, type ServedEpoch, Unserved } from "./api-source.ts";
import type { ChainBook } from "./chain-source.ts";
import { Lie } from "./checks.ts";
import type { HeaderChain, StandingEpoch } from "./header-chain.ts";

/** Until then the API may not have seen a block that the chain has. */
const ASKED_AGAIN = 15;
const ASKED_AGAIN_AFTER_MS = 200;

/** The API's contracts are the registry's own. @throws Lie `contracts` */
export function checkContracts(served: ServedContracts, record: DeploymentRecord): void {
  if (served.chainId !== record.chain_id)
    throw new Lie("contracts", {}, `the API is on chain ${served.chainId}, the RPC on ${record.chain_id}`);
  if (!sameAddress(served.registry, record.registry))
    throw new Lie("contracts", {}, `the API settles into ${served.registry}, audited is ${record.registry}`);
  if (!sameAddress(served.token, record.token))
    throw new Lie("contracts", {}, `the API names the token ${served.token}, the registry ${record.token}`);
  for (const section of SECTIONS)
    if (!sameAddress(served.custodians?.[section] ?? "", record.custodians[section]))
      throw new Lie("contracts", { section }, "the API names another custodian than the registry");
}

export interface ServedEpochs {
  /** By number, as the API listed them before the chain was read. */
  readonly listed: ReadonlyMap<bigint, ServedEpoch>;
  /** The chain's last committed epoch before the API was asked. */
  readonly committedBefore: bigint;
  /** So many blocks later a server has to know what happened. */
  readonly depth: number;
}

/**
 * Answers the API's word of every epoch that stands.
 * @throws Lie `api_epochs`; Error where the server has not come as far as the chain
 */
export async function checkServedEpochs(
  api: ApiSource,
  told: ServedEpochs,
  { standing, dropped }: Pick<HeaderChain, "standing" | "dropped">,
  book: ChainBook,
): Promise<Map<bigint, ServedEpoch>> {
  const { listed, committedBefore, depth } = told;
  let behind: Error | undefined;
  for (const { epoch, status, headerHash: shown } of listed.values()) {
    const end = dropped.get(shown);
    if (status === "committed" && end && end.block + depth > book.block.number) {
      const said = `the API says that epoch ${epoch} is committed, but it was ${end.how} in block ${end.block}`;
      behind ??= serverBehind(said, end.block + depth);
      continue;
    }
    if (isClaimed(status) && epoch > book.lastCommitted)
      throw new Lie("api_epochs", { epoch }, `the API says ${status}, but the chain does not have it`);
    if (status === "final" && epoch > book.lastFinal)
      throw new Lie("api_epochs", { epoch }, "the API says final, but the chain does not");
  }
  // Only where nothing that it says is a lie.
  if (behind) throw behind;
  const checked = new Map<bigint, ServedEpoch>();
  for (const one of standing) {
    const { epoch } = one;
    let shown = listed.get(epoch) ?? (await servedEpoch(api, epoch));
    for (let asked = 0; ; asked++) {
      const wrong =
        wrongContent(shown, one.header) ?? wrongProgress(shown, one, book, epoch <= committedBefore);
      if (wrong === null) break;
      if (asked === ASKED_AGAIN || isFixed(shown, one)) {
        if (isNew(one, told, book) && !isClaimed(shown.status) && wrongContent(shown, one.header) === null)
          throw serverBehind(`${wrong} since block ${one.block}`, one.block + told.depth);
        throw new Lie("api_epochs", { epoch }, wrong);
      }
      await wait(ASKED_AGAIN_AFTER_MS);
      shown = await servedEpoch(api, epoch);
    }
    checked.set(epoch, shown);
  }
  return checked;
}

/** Nobody's lie so far. @param until the block from which on it would be one */
function serverBehind(what: string, until: number): Error {
  return new Error(
    `${what}: the server is behind the chain, as it may be before block ${until}. Try again in a minute, or run with --follow, which does so by itself`,
  );
}

async function servedEpoch(api: ApiSource, epoch: bigint): Promise<ServedEpoch> {
  try {
    return await api.epoch(epoch);
  } catch (error) {
    if (!(error instanceof Unserved && error.isWithheld)) throw error;
    throw new Lie("withheld", { epoch }, "the chain has the epoch, and the server does not serve it");
  }
}

/** Whether a server that is some blocks behind may not know of its commit yet; of a later one it must not know then. */
function isNew({ epoch, block }: StandingEpoch, { listed, depth }: ServedEpochs, book: ChainBook): boolean {
  const knowsLater = [...listed.values()].some((other) => other.epoch > epoch && isClaimed(other.status));
  return !knowsLater && block + depth > book.block.number;
}

/** What an epoch is that the API calls final, never changes; of others it may only see a veto a little later. */
function isFixed(shown: ServedEpoch, { header }: StandingEpoch): boolean {
  return shown.status === "final" && wrongContent(shown, header) !== null;
}

function wrongContent(shown: ServedEpoch, header: Header): string | null {
  if (shown.headerHash !== headerHash(header)) return "the API serves another header than the chain's";
  const size = toSafeInteger(header.journalSize, "journal size");
  if (shown.journalSize !== size)
    return `the API says a journal of ${shown.journalSize} lines, the header ${size}`;
  const closedAt = toRfc3339(toSafeInteger(header.closedAt, "closing time"));
  return shown.closedAt === closedAt
    ? null
    : `the API says closed at ${shown.closedAt}, the header ${closedAt}`;
}

/** How far it has come; null where the API and the chain agree. */
function wrongProgress(
  shown: ServedEpoch,
  standing: StandingEpoch,
  book: ChainBook,
  mustKnow: boolean,
): string | null {
  const { status, txHash, blockNumber, finalizeTxHash } = shown;
  if (!isClaimed(status)) {
    if (mustKnow) return `the API says ${status}, but the chain has it`;
    return txHash === null || txHash === standing.txHash ? null : `the API names the transaction ${txHash}`;
  }
  if (txHash !== standing.txHash) return `the API names the transaction ${txHash}, it was ${standing.txHash}`;
  if (blockNumber !== standing.block) return `the API says block ${blockNumber}, it was ${standing.block}`;
  // What came after the chain was read cannot be compared with it.
  const comparable = shown.epoch <= book.lastFinal && (status === "final" || finalizeTxHash !== null);
  if (comparable && finalizeTxHash !== standing.finalizeTxHash)
    return `the API says that ${finalizeTxHash} made it final, it was ${standing.finalizeTxHash}`;
  return null;
}

export function isClaimed(status: string): boolean {
  return status === "committed" || status === "final";
}

function sameAddress(left: string, right: string): boolean {
  return left.toLowerCase() === right.toLowerCase();
}

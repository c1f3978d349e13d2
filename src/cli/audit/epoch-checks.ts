/**
 * What the API says of epochs against what the chain says. The chain was asked
 * how far it is before the API was, and read as of one moment after it: what the
 * API claims must be there, and what was there already the API must know. It
 * learns of a block a little later than the chain, so that it is asked again
 * before it is called a liar.
 */
import { setTimeout as wait } from "node:timers/promises";
import { toRfc3339 } from "#kernel";
import { type Header, headerHash, toSafeInteger } from "#proof";
import type { ApiSource, ServedEpoch } from "./api-source.ts";
import type { ChainBook } from "./chain-source.ts";
import { Lie } from "./checks.ts";

/** Until then the API may not have seen a block that the chain has. */
const ASKED_AGAIN = 15;
const ASKED_AGAIN_AFTER_MS = 200;

export interface ServedEpochs {
  /** By number, as the API listed them before the chain was read. */
  readonly listed: ReadonlyMap<bigint, ServedEpoch>;
  /** The chain's last committed epoch before the API was asked. */
  readonly committedBefore: bigint;
}

/** Answers the API's word of every epoch that the chain has. @throws Lie `api_epochs` */
export async function checkServedEpochs(
  api: ApiSource,
  { listed, committedBefore }: ServedEpochs,
  headers: readonly Header[],
  book: ChainBook,
): Promise<ServedEpoch[]> {
  for (const { epoch, status } of listed.values()) {
    if (isClaimed(status) && epoch > BigInt(headers.length))
      throw new Lie("api_epochs", { epoch }, `the API says ${status}, but the chain does not have it`);
    if (status === "final" && epoch > book.lastFinal)
      throw new Lie("api_epochs", { epoch }, "the API says final, but the chain does not");
  }
  const checked: ServedEpoch[] = [];
  for (const header of headers) {
    const { epoch } = header;
    let shown = listed.get(epoch) ?? (await api.epoch(epoch));
    checkContent(shown, header);
    for (let asked = 0; ; asked++) {
      const wrong = wrongProgress(shown, book, epoch <= committedBefore);
      if (wrong === null) break;
      if (asked === ASKED_AGAIN) throw new Lie("api_epochs", { epoch }, wrong);
      await wait(ASKED_AGAIN_AFTER_MS);
      shown = await api.epoch(epoch);
      checkContent(shown, header);
    }
    checked.push(shown);
  }
  return checked;
}

/** What an epoch is never changes. */
function checkContent(shown: ServedEpoch, header: Header): void {
  const { epoch } = header;
  const lie = (what: string) => new Lie("api_epochs", { epoch }, what);
  if (shown.headerHash !== headerHash(header)) throw lie("the API serves another header than the chain's");
  const size = toSafeInteger(header.journalSize, "journal size");
  if (shown.journalSize !== size)
    throw lie(`the API says a journal of ${shown.journalSize} lines, the header ${size}`);
  const closedAt = toRfc3339(toSafeInteger(header.closedAt, "closing time"));
  if (shown.closedAt !== closedAt)
    throw lie(`the API says closed at ${shown.closedAt}, the header ${closedAt}`);
}

/** How far it has come; null where the API and the chain agree. */
function wrongProgress(shown: ServedEpoch, book: ChainBook, mustKnow: boolean): string | null {
  const place = toSafeInteger(shown.epoch, "epoch") - 1;
  const commit = book.committed[place];
  const finalize = book.finalized[place];
  const { status, txHash, blockNumber, finalizeTxHash } = shown;
  if (!isClaimed(status)) {
    if (mustKnow) return `the API says ${status}, but the chain has it`;
    return txHash === null || txHash === commit?.txHash ? null : `the API names the transaction ${txHash}`;
  }
  if (txHash !== commit?.txHash) return `the API names the transaction ${txHash}, it was ${commit?.txHash}`;
  if (blockNumber !== commit?.blockNumber)
    return `the API says block ${blockNumber}, it was ${commit?.blockNumber}`;
  // What came after the chain was read cannot be compared with it.
  const comparable = shown.epoch <= book.lastFinal && (status === "final" || finalizeTxHash !== null);
  if (comparable && finalizeTxHash !== finalize?.txHash)
    return `the API says that ${finalizeTxHash} made it final, it was ${finalize?.txHash}`;
  return null;
}

function isClaimed(status: string): boolean {
  return status === "committed" || status === "final";
}

/** The header chain: the events without a gap, each hash recomputed, the same at the API, the newest in the registry. */
import type { CommittedEpoch } from "#infra";
import { type Header, headerHash, SECTIONS, ZERO_WORD } from "#proof";
import type { ServedContracts } from "./api-source.ts";
import type { ChainBook } from "./chain-source.ts";
import { Lie } from "./checks.ts";

/** The API's contracts are the registry's own. */
export function checkContracts(served: ServedContracts, book: ChainBook): string {
  const { record } = book;
  if (served.chainId !== record.chain_id)
    throw new Lie("contracts", {}, `the API is on chain ${served.chainId}, the RPC on ${record.chain_id}`);
  if (!sameAddress(served.registry, record.registry))
    throw new Lie("contracts", {}, `the API settles into ${served.registry}, audited is ${record.registry}`);
  if (!sameAddress(served.token, record.token))
    throw new Lie("contracts", {}, `the API names the token ${served.token}, the registry ${record.token}`);
  for (const section of SECTIONS)
    if (!sameAddress(served.custodians?.[section] ?? "", record.custodians[section]))
      throw new Lie("contracts", { section }, "the API names another custodian than the registry");
  return `${book.tokens?.asset ?? "a book without a token"} at ${record.registry} on chain ${record.chain_id}`;
}

/** Answers the headers, epoch 1 first. */
export function checkHeaderChain(book: ChainBook): Header[] {
  let previous: Header | undefined;
  const headers: Header[] = [];
  for (const event of book.committed) {
    const expected = BigInt(headers.length + 1);
    if (event.epoch !== expected)
      throw new Lie("header_chain", { epoch: expected }, `the next event is of epoch ${event.epoch}`);
    const header = checkEvent(event, previous, book);
    headers.push(header);
    previous = header;
  }
  if (book.lastCommitted > BigInt(headers.length))
    throw new Lie("header_chain", { epoch: BigInt(headers.length + 1) }, "its event is missing");
  const newest = headers[Number(book.lastCommitted) - 1];
  if (newest && book.newestHash !== null && headerHash(newest) !== book.newestHash)
    throw new Lie("header_chain", { epoch: book.lastCommitted }, "the registry holds another hash");
  return headers;
}

function checkEvent(event: CommittedEpoch, previous: Header | undefined, book: ChainBook): Header {
  const { epoch } = event;
  const header: Header = event.header;
  const lie = (what: string) => new Lie("header_chain", { epoch }, what);
  if (headerHash(header) !== event.headerHash) throw lie("its header does not have the hash of its event");
  if (header.epoch !== epoch) throw lie(`its header says epoch ${header.epoch}`);
  if (header.chainId !== BigInt(book.record.chain_id)) throw lie(`its header says chain ${header.chainId}`);
  if (!sameAddress(header.registry, book.record.registry)) throw lie("its header names another registry");
  if (header.previous !== (previous ? headerHash(previous) : ZERO_WORD))
    throw lie("its header does not name its predecessor");
  if (previous && header.journalSize < previous.journalSize) throw lie("the journal shrank");
  if (previous && header.closedAt < previous.closedAt) throw lie("it closed before its predecessor");
  return header;
}

function sameAddress(left: string, right: string): boolean {
  return left.toLowerCase() === right.toLowerCase();
}

/** The header of the epoch after another. */
import type { ChainHeader } from "#infra";
import {
  HEADER_VERSION,
  type Header,
  type Hex,
  headerHash,
  SECTIONS,
  type Section,
  type TreeView,
  ZERO_WORD,
} from "#proof";
import type { BookRow } from "./model.ts";

interface NextHeaderParts {
  readonly number: number;
  readonly now: number;
  readonly journalRoot: Hex;
  readonly journalSize: bigint;
  readonly views: Readonly<Record<Section, TreeView>>;
  readonly dataHash: Hex;
  readonly depositSeq: bigint;
}

/** @param previous left out for the first */
export function nextHeader(book: BookRow, previous: Header | undefined, parts: NextHeaderParts): Header {
  const now = BigInt(parts.now);
  return {
    version: HEADER_VERSION,
    chainId: BigInt(book.chainId),
    registry: book.registry,
    epoch: BigInt(parts.number),
    previous: previous ? headerHash(previous) : ZERO_WORD,
    sections: SECTIONS.map((section) => {
      const { root, sum, count } = parts.views[section];
      return { root, sum, count };
    }),
    journalRoot: parts.journalRoot,
    journalSize: parts.journalSize,
    depositSeq: parts.depositSeq,
    dataHash: parts.dataHash,
    closedAt: previous && previous.closedAt > now ? previous.closedAt : now,
  };
}

/** The chain client types hex as a template; the values are the same. */
export function forChain(header: Header): ChainHeader {
  return header as ChainHeader;
}

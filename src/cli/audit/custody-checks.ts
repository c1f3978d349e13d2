/** The tokens: no more is owed than is held, and what is final stands in the custodians. */
import { finalSectionOf, NO_FINAL_SECTION } from "#infra";
import { type Header, SECTIONS } from "#proof";
import { amountText } from "../amount-text.ts";
import type { ChainBook, ChainTokens } from "./chain-source.ts";
import { Lie } from "./checks.ts";

/**
 * What is said of a book without a token: of an asset that has none yet, where all rests on the operator's word, or of a
 * ledger that only anchors its journal; that one's sections have to be empty.
 */
export function checkHoldsNothing(headers: readonly Header[], asset: string | undefined): string {
  if (asset !== undefined) {
    const owed = (headers.at(-1)?.sections ?? []).reduce((total, { sum }) => total + sum, 0n);
    return `${asset} has no token: ${owed} base units are owed, and nothing on the chain backs them`;
  }
  for (const { epoch, sections } of headers)
    for (const [number, { sum }] of sections.entries())
      if (sum !== 0n)
        throw new Lie(
          "custody",
          { epoch, section: SECTIONS[number] },
          `${sum} base units are owed, and the book has no token`,
        );
  return "the book has no token, and nothing is owed";
}

/**
 * Σ section sums − paid ≤ tokens of all custodians − entries that nobody was credited for yet. Owed is by the newest
 * epoch; in a frozen book, where nothing that was not final counts any more, by the last final one.
 */
export function checkCustody(book: ChainBook, tokens: ChainTokens, headers: readonly Header[]): string {
  const { escaped } = book;
  const { total } = tokens.custody;
  const text = (amount: bigint) => amountText(amount, tokens);
  const counts = book.frozenAt === 0n ? headers.at(-1) : headerOf(headers, book.lastFinal);
  const paid = SECTIONS.reduce((total, section) => total + (escaped[section] ?? 0n), book.totalPaid);
  const owed = (counts?.sections ?? []).reduce((total, { sum }) => total + sum, 0n) - paid;
  // In a frozen book each of them is paid back sooner or later, and what is held says which were.
  const waiting = book.frozenAt === 0n ? book.waitingEntries : 0n;
  if (owed > total - waiting)
    throw new Lie(
      "custody",
      { epoch: counts?.epoch },
      `${text(owed)} are owed, the custodians hold ${text(total)}${waiting === 0n ? "" : `, ${text(waiting)} of it for entries that wait`}`,
    );
  return `${text(owed)} owed, ${text(total)} held`;
}

/** The custodians' last final sections are the last final header's. */
export function checkFinalRoots(
  book: ChainBook,
  { finalSections }: ChainTokens,
  headers: readonly Header[],
): string {
  const last = headerOf(headers, book.lastFinal);
  for (const [number, section] of SECTIONS.entries()) {
    const held = finalSections[section];
    const stated = last?.sections[number];
    const expected = stated ? finalSectionOf(stated) : NO_FINAL_SECTION;
    if (held.fingerprint !== expected.fingerprint || held.count !== expected.count)
      throw new Lie(
        "final_roots",
        { epoch: book.lastFinal, section },
        "the custodian holds another final root",
      );
  }
  return last
    ? `all five of epoch ${last.epoch} stand in their custodians`
    : "no epoch is final in the registry yet";
}

/** After a finalize each custodian but the vault holds exactly its section's sum, less what escapes have paid of it. */
export function checkNetting(book: ChainBook, tokens: ChainTokens, headers: readonly Header[]): string {
  const { escaped } = book;
  const last = headerOf(headers, book.lastFinal);
  if (!last) return "no epoch is final in the registry yet";
  const { escrow, staking, reserve } = tokens.custody;
  for (const [section, held] of [
    ["locks", escrow],
    ["stakes", staking],
    ["compute", reserve],
  ] as const) {
    const sum = (last.sections[SECTIONS.indexOf(section)]?.sum ?? 0n) - (escaped[section] ?? 0n);
    if (held !== sum)
      throw new Lie(
        "netting",
        { epoch: last.epoch, section },
        `its custodian holds ${amountText(held, tokens)}, the sum is ${amountText(sum, tokens)}`,
      );
  }
  return `escrow, staking and reserve hold exactly their sums of epoch ${last.epoch}`;
}

function headerOf(headers: readonly Header[], epoch: bigint): Header | undefined {
  return headers.find((header) => header.epoch === epoch);
}

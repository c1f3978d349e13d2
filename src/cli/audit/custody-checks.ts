/** The tokens: no more is owed than is held, and what is final stands in the custodians. */
import { type Header, SECTIONS } from "#proof";
import type { ChainBook, ChainTokens } from "./chain-source.ts";
import { Lie } from "./checks.ts";

/** What is said of a book without a token; its sections have to be empty, since nobody could be paid. */
export function checkHoldsNothing(headers: readonly Header[]): string {
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

/** Σ section sums − paid ≤ tokens of all custodians, at the newest epoch. */
export function checkCustody(book: ChainBook, { custody }: ChainTokens, headers: readonly Header[]): string {
  const newest = headers.at(-1);
  const owed = (newest?.sections ?? []).reduce((total, { sum }) => total + sum, 0n) - book.totalPaid;
  if (owed > custody.total)
    throw new Lie(
      "custody",
      { epoch: newest?.epoch },
      `${owed} base units are owed, the custodians hold ${custody.total}`,
    );
  return `${owed} base units owed, ${custody.total} held`;
}

/** The custodians' last final sections are the last final header's. */
export function checkFinalRoots(
  book: ChainBook,
  { finalSections }: ChainTokens,
  headers: readonly Header[],
): string {
  const last = book.lastFinal === 0n ? undefined : headers[Number(book.lastFinal) - 1];
  for (const [number, section] of SECTIONS.entries()) {
    const held = finalSections[section];
    const stated = last?.sections[number];
    const agrees =
      held.epoch === book.lastFinal &&
      held.sum === (stated?.sum ?? 0n) &&
      held.count === (stated?.count ?? 0n) &&
      (stated === undefined || held.root === stated.root);
    if (!agrees)
      throw new Lie(
        "final_roots",
        { epoch: book.lastFinal, section },
        "the custodian holds another final root",
      );
  }
  return last ? `all five of epoch ${last.epoch} stand in their custodians` : "no epoch is final yet";
}

/** After a finalize each custodian but the vault holds exactly its section's sum. */
export function checkNetting(book: ChainBook, { custody }: ChainTokens, headers: readonly Header[]): string {
  const last = book.lastFinal === 0n ? undefined : headers[Number(book.lastFinal) - 1];
  if (!last) return "no epoch is final yet";
  const { escrow, staking, reserve } = custody;
  for (const [section, held] of [
    ["locks", escrow],
    ["stakes", staking],
    ["compute", reserve],
  ] as const) {
    const sum = last.sections[SECTIONS.indexOf(section)]?.sum;
    if (held !== sum)
      throw new Lie(
        "netting",
        { epoch: last.epoch, section },
        `its custodian holds ${held}, the sum is ${sum}`,
      );
  }
  return `escrow, staking and reserve hold exactly their sums of epoch ${last.epoch}`;
}

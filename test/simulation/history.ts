/**
 * The journal as an auditor reads it, beside the simulation: its log tree grows
 * with it, round by round, so that a line that changed or vanished later shows
 * at the end; and everything that settlement says of positions is worked out from
 * the lines alone and compared with the tables.
 */
import {
  type Hex,
  type Leaf,
  LogFrontier,
  leafDomain,
  parseJournalLine,
  ReplayState,
  SECTIONS,
  type Section,
  SumTree,
  toHex,
  ZERO_ADDRESS,
} from "#proof";
import { journalLines } from "../../src/settlement/journal-lines.ts";
import type { Books } from "./books.ts";
import { Disagreement } from "./judge.ts";

interface PositionRow {
  readonly asset: string;
  readonly section: number;
  readonly index: number;
  readonly key: Uint8Array;
  readonly owner: Uint8Array;
  readonly amount: bigint;
  readonly valid_until: number;
  readonly kind: number;
  readonly quantity: number;
}

export class History {
  readonly #books: Books;
  readonly #seen = LogFrontier.empty();

  constructor(books: Books) {
    this.#books = books;
  }

  /** The lines since the last look. */
  async look(): Promise<void> {
    const from = Number(this.#seen.size);
    for await (const lines of this.#lines(from, await this.#length()))
      for (const line of lines) this.#seen.append(line);
  }

  /** @throws Disagreement, or ReplayError for a line that cannot follow those before it */
  async check(): Promise<void> {
    await this.look();
    const frontier = LogFrontier.empty();
    const replay = new ReplayState();
    for await (const lines of this.#lines(0, await this.#length()))
      for (const line of lines) {
        frontier.append(line);
        replay.apply(parseJournalLine(line));
      }
    if (JSON.stringify(frontier.toJson()) !== JSON.stringify(this.#seen.toJson()))
      throw new Disagreement("lines of the journal are not what they were when they were written");
    await this.#compareTrees(replay);
  }

  async #compareTrees(replay: ReplayState): Promise<void> {
    const rows = (await this.#books.rows(
      `SELECT p.asset, p.section, p.index, p.key, p.owner, p.valid_until, p.kind, p.quantity,
         a.credits_posted - CASE WHEN p.section = $1 THEN 0 ELSE a.debits_posted END AS amount
       FROM position p JOIN account a ON a.id = p.account ORDER BY p.asset, p.section, p.index`,
      [SECTIONS.indexOf("payouts")],
    )) as unknown as PositionRow[];
    const assets = new Set([...rows.map(({ asset }) => asset), ...replay.assets]);
    for (const asset of assets)
      for (const [place, section] of SECTIONS.entries()) {
        const stored = rows.filter((row) => row.asset === asset && row.section === place).map(leafOf);
        const [ours, theirs] = [treeOf(section, stored), treeOf(section, replay.leaves(asset, section))];
        if (ours.root !== theirs.root || ours.sum !== theirs.sum || ours.count !== theirs.count)
          throw new Disagreement(`the ${section} tree of ${asset} is not what the journal says`);
      }
  }

  async #length(): Promise<number> {
    return (await this.#books.rows("SELECT next_seq FROM journal_head"))[0]?.next_seq as number;
  }

  #lines(from: number, to: number): AsyncGenerator<string[]> {
    const query = async (text: string, values: readonly unknown[] = []) => ({
      rows: await this.#books.rows(text, values),
    });
    return journalLines({ query } as never, from, to);
  }
}

function leafOf(row: PositionRow): Leaf {
  return {
    ...{ index: BigInt(row.index), key: toHex(row.key), owner: toHex(row.owner), amount: row.amount },
    ...{ validUntil: BigInt(row.valid_until), kind: row.kind, quantity: row.quantity },
  };
}

function treeOf(section: Section, leaves: readonly Leaf[]) {
  const place: Hex = ZERO_ADDRESS;
  const tree = new SumTree(leafDomain({ chainId: 1n, custodian: place, token: place, section }));
  tree.load(leaves);
  return tree.newest();
}

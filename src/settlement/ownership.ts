/**
 * How much of each section has no owner on the chain, as of the newest committed
 * epoch: nobody could leave with that without the operator. Kept from epoch to
 * epoch, so that an answer costs what changed since the last one, some epochs a
 * statement, and asked once however many ask.
 */
import { type Hex, SECTIONS, type Section, ZERO_ADDRESS } from "#proof";
import { committedEpoch } from "./epoch-queries.ts";
import { type Queryable, rows, SQL } from "./sql.ts";

export interface SectionOwnership {
  readonly section: Section;
  /** Base units; cumulative in `payouts`. */
  readonly amount: bigint;
  readonly unlinkedAmount: bigint;
  readonly positions: number;
  readonly unlinkedPositions: number;
}

export interface Ownership {
  /** Null where none is committed; then all is zero. */
  readonly epoch: number | null;
  readonly sections: readonly SectionOwnership[];
}

interface ChangeRow {
  section: number;
  amount: bigint;
  unlinked_amount: bigint;
  positions: number;
  unlinked_positions: number;
}

const EPOCHS_A_STATEMENT = 50;
const NO_OWNER = Buffer.from(ZERO_ADDRESS.slice(2), "hex");

const NOTHING: Ownership = {
  epoch: null,
  sections: SECTIONS.map((section) => ({
    ...{ section, amount: 0n, unlinkedAmount: 0n, positions: 0, unlinkedPositions: 0 },
  })),
};

export class OwnershipCount {
  readonly #db: Queryable;
  readonly #book: number;
  #known = NOTHING;
  /** Of the epoch that is known. */
  #headerHash: Hex | null = null;
  #asking: Promise<Ownership> | null = null;

  constructor(db: Queryable, book: number) {
    this.#db = db;
    this.#book = book;
  }

  newest(): Promise<Ownership> {
    this.#asking ??= this.#catchUp().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  async #catchUp(): Promise<Ownership> {
    const newest = await committedEpoch(this.#db, this.#book, null);
    await this.#forgetWhatWasTakenBack();
    for (let from = this.#known.epoch ?? 0; newest && from < newest.epoch; from = this.#known.epoch ?? 0) {
      const to = Math.min(from + EPOCHS_A_STATEMENT, newest.epoch);
      const values = [this.#book, from, to, NO_OWNER];
      this.#known = added(this.#known, to, await rows<ChangeRow>(this.#db, SQL.ownershipChange, values));
      this.#headerHash = to === newest.epoch ? newest.headerHash : null;
    }
    return this.#known;
  }

  /** The chain went back behind what was counted, or an epoch was vetoed and its number built anew. */
  async #forgetWhatWasTakenBack(): Promise<void> {
    if (this.#known.epoch === null) return;
    const stands = await committedEpoch(this.#db, this.#book, this.#known.epoch);
    if (stands === null || stands.headerHash !== this.#headerHash) this.#known = NOTHING;
  }
}

function added(known: Ownership, epoch: number, changes: readonly ChangeRow[]): Ownership {
  return {
    epoch,
    sections: known.sections.map((before, number) => {
      const change = changes.find((row) => row.section === number);
      if (!change) return before;
      return {
        section: before.section,
        amount: before.amount + change.amount,
        unlinkedAmount: before.unlinkedAmount + change.unlinked_amount,
        positions: before.positions + change.positions,
        unlinkedPositions: before.unlinkedPositions + change.unlinked_positions,
      };
    }),
  };
}

/** For a ledger that settles nowhere. */
export const NO_OWNERSHIP = NOTHING;

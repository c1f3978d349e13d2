/**
 * Signatures of attesters over epochs. Anybody may hand one in; it is kept where
 * the registry names its signer as an attester now, so there are never more than
 * there are attesters. Which of them make an epoch final is asked of the registry
 * again when the finalize is made: attesters change.
 */
import type { Pool } from "pg";
import { attesterOf, type Book, type FinalityRules, isCanonicalSignature } from "#infra";
import { type Clock, DomainError, type UnixSeconds } from "#kernel";
import type { Hex } from "#proof";
import { epochByNumber } from "./epoch-queries.ts";
import type { Faults } from "./faults.ts";
import type { BookRow } from "./model.ts";
import { type Queryable, rows, SQL } from "./sql.ts";

export interface AttestationView {
  /** Lower case. */
  readonly attester: Hex;
  readonly signature: Hex;
  readonly receivedAt: UnixSeconds;
}

export interface AttestationsParts {
  readonly pool: Pool;
  readonly book: BookRow;
  readonly contracts: Book;
  readonly clock: Clock;
  readonly faults: Faults;
}

/** Anybody may make the registry be asked; it changes its attesters with 14 days' notice. */
const REMEMBERED_MS = 5_000;
const MS_PER_SECOND = 1_000;

export class Attestations {
  readonly #parts: AttestationsParts;
  #rules: { at: number; asked: Promise<FinalityRules> } | undefined;

  constructor(parts: AttestationsParts) {
    this.#parts = parts;
  }

  /**
   * Takes a signature; the same one again changes nothing.
   * @throws DomainError `not_found`, `invalid_request`, `forbidden` where the signer is no attester, and what
   * `isChainUnavailable` knows
   */
  async add(epoch: number, signature: string): Promise<AttestationView> {
    const { pool, book, clock, faults } = this.#parts;
    if (!isCanonicalSignature(signature))
      throw new DomainError(
        "invalid_request",
        "signature must be 65 bytes r, s, v as 0x-hex in lower case, with the lower s and v 1b or 1c",
        { details: { member: "signature" } },
      );
    const view = await epochByNumber(pool, book.id, epoch);
    if (!view) throw new DomainError("not_found", `There is no epoch ${epoch}`);
    const attester = attesterOf(book, view.headerHash, signature);
    if (attester === null || !(await this.#attesters()).includes(attester))
      throw new DomainError(
        "forbidden",
        `This is no attester's signature over header ${view.headerHash} of epoch ${epoch}`,
      );
    const receivedAt = Math.floor(clock.nowMs() / MS_PER_SECOND);
    await pool.query(SQL.insertAttestation, [
      ...[book.id, epoch, view.headerHash, attester, signature, receivedAt],
    ]);
    await faults("attested", epoch);
    const kept = await attestationsOf(pool, view.headerHash);
    return kept.find((one) => one.attester === attester) ?? { attester, signature, receivedAt };
  }

  async #attesters(): Promise<readonly string[]> {
    const { clock, contracts } = this.#parts;
    const now = clock.nowMs();
    if (!this.#rules || now - this.#rules.at > REMEMBERED_MS) {
      const asked = contracts.rules();
      this.#rules = { at: now, asked };
      asked.catch(() => {
        this.#rules = undefined;
      });
    }
    return (await this.#rules.asked).attesters;
  }
}

/** By address, ascending. */
export async function attestationsOf(db: Queryable, headerHash: Hex): Promise<AttestationView[]> {
  const found = await rows<{ attester: Hex; signature: Hex; received_at: number }>(db, SQL.attestations, [
    headerHash,
  ]);
  return found.map(({ attester, signature, received_at }) => ({
    ...{ attester, signature, receivedAt: received_at },
  }));
}

/** What a finalize of this header carries now: as many as are asked for, signers ascending; null where too few signed. */
export async function signaturesFor(
  db: Queryable,
  headerHash: Hex,
  { threshold, attesters }: FinalityRules,
): Promise<Hex[] | null> {
  if (threshold === 0) return [];
  const counted = (await attestationsOf(db, headerHash)).filter(({ attester }) =>
    attesters.includes(attester),
  );
  return counted.length < threshold ? null : counted.slice(0, threshold).map(({ signature }) => signature);
}

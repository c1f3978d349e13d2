/**
 * Proofs of positions in settled epochs. The leaf comes from Postgres as it was
 * at that epoch, the siblings from the tree of that epoch; a proof is checked
 * against the epoch's header before it leaves this file, so that a stale cache
 * can cost an error but never a wrong proof.
 */
import { DomainError, Remembered } from "#kernel";
import {
  buildProof,
  foldProof,
  type Header,
  type Hex,
  headerHash,
  headerSection,
  type Leaf,
  leafHash,
  type ProofDocument,
  parseHeader,
  type Section,
  type SumNode,
  toHex,
  toSafeInteger,
} from "#proof";
import { committedEpoch } from "./epoch-queries.ts";
import { type LeafRow, leafOf, sectionNumber } from "./leaf-rows.ts";
import type { BookRow } from "./model.ts";
import { custodianOf, type SectionTrees } from "./section-trees.ts";
import { firstRow, type Queryable, SQL } from "./sql.ts";

/** What a program knows of one of its positions: the account behind it, whose it is, what its key is made of. */
export interface PositionName {
  readonly accountId: string;
  readonly userId: string;
  /** From the user on, as in the settlement format. */
  readonly keyParts: readonly string[];
}

export interface ProofRequest {
  readonly section: Section;
  readonly position: PositionName;
  /** The newest committed epoch that holds the position, where null. */
  readonly epoch: number | null;
  /** With the salt and the parts of the key: for the owner and for auditors alone. */
  readonly withOpening: boolean;
}

/** What is not there is null: the position, the epoch (`number`), the leaf (`index`), the salt that was not asked for. */
type PartsRow = { position: number | null; salt: Uint8Array | null } & (EpochParts | NoEpoch) &
  (LeafRow | { index: null });

interface EpochParts {
  number: number;
  header_hash: Hex;
  /** Null where it is the one that was said to be known. */
  header: unknown;
  tx_hash: Hex | null;
}

interface NoEpoch {
  number: null;
  header_hash: null;
  header: null;
  tx_hash: null;
}

/** At least half as many are kept: more than there are epochs with their trees in memory. */
const KEPT_HEADERS = 256;

interface KnownHeader {
  readonly header: Header;
  readonly hash: Hex;
}

/** Trees that are in memory answer in milliseconds; who asks for others is told to come back rather than held. */
const PATIENCE_MS = 10_000;
const RETRY_AFTER_SECONDS = 30;

export class ProofStore {
  readonly #db: Queryable;
  readonly #book: BookRow;
  readonly #trees: SectionTrees;
  readonly #patienceMs: number;
  /** By the epoch that was asked for; each is only used where the database says that the epoch has just this one. */
  readonly #headers = new Remembered<ProofRequest["epoch"], KnownHeader>(KEPT_HEADERS);

  constructor(db: Queryable, book: BookRow, trees: SectionTrees, patienceMs = PATIENCE_MS) {
    this.#db = db;
    this.#book = book;
    this.#trees = trees;
    this.#patienceMs = patienceMs;
  }

  /**
   * @throws DomainError `not_found` where the epoch is not committed or does not hold the position, `unavailable` where its
   * tree is still being made
   */
  async proof(request: ProofRequest): Promise<ProofDocument> {
    const { section, position } = request;
    const known = this.#headers.get(request.epoch);
    const found = await this.#partsOf(request, known);
    if (found.position === null) throw notFound("There is no such position");
    if (found.number === null) throw notFound(await this.#notCommitted(request.epoch));
    if (found.index === null)
      throw notFound(`Epoch ${found.number} does not hold this position; settle first`);
    if (request.withOpening && !found.salt) throw new Error("a position's user has no salt");
    const { header, hash } = this.#headerOf(request, found, known);
    const leaf = leafOf(found);
    const proving = siblingsOf(this.#db, this.#trees, section, leaf, header);
    const siblings = await this.#inTime(proving, found.number);
    return buildProof({
      ...{ header, headerHash: hash, section },
      custodian: custodianOf(this.#book, section),
      asset: this.#book.token,
      leaf,
      siblings,
      txHash: found.tx_hash,
      opening: found.salt ? { salt: toHex(found.salt), parts: position.keyParts } : undefined,
    });
  }

  async #notCommitted(epoch: number | null): Promise<string> {
    const newest = await committedEpoch(this.#db, this.#book.id, null);
    if (!newest) return "No epoch is committed yet";
    return `Epoch ${epoch ?? ""} is not committed; the newest that is: ${newest.epoch}`;
  }

  /** Read once, and not for each proof of its epoch. */
  #headerOf({ epoch }: ProofRequest, found: EpochParts, known: KnownHeader | undefined): KnownHeader {
    if (found.header === null) {
      if (known?.hash !== found.header_hash) throw new Error("a header was left out that is not known");
      return known;
    }
    const header = parseHeader(found.header);
    const read = { header, hash: headerHash(header) };
    if (read.hash !== found.header_hash)
      throw new Error(`the header of epoch ${found.number} has another hash`);
    this.#headers.set(epoch, read);
    return read;
  }

  async #partsOf(
    { section, position, epoch, withOpening }: ProofRequest,
    known: KnownHeader | undefined,
  ): Promise<PartsRow> {
    const row = await firstRow<PartsRow>(this.#db, SQL.proofParts, [
      ...[this.#book.id, this.#book.asset, sectionNumber(section), position.accountId, epoch],
      ...[withOpening ? position.userId : null, known?.hash ?? null],
    ]);
    if (!row) throw new Error("a statement that answers one row answered none");
    return row;
  }

  /** The tree is made all the same, and there for whoever asks later. */
  #inTime<T>(proving: Promise<T>, epoch: number): Promise<T> {
    return new Promise((resolve, reject) => {
      // Not a timer of promises: what ends one makes an error with its stack, a tenth of what a proof costs.
      const late = setTimeout(() => {
        const what = `The trees of epoch ${epoch} are being made; ask again shortly`;
        reject(new DomainError("unavailable", what, { retryAfterSeconds: RETRY_AFTER_SECONDS }));
      }, this.#patienceMs);
      proving.then(resolve, reject).finally(() => clearTimeout(late));
    });
  }
}

/**
 * What leads from a leaf of a closed epoch to its section's root. A tree in memory may be of an epoch that was vetoed, and
 * whose number another one has by now: then once more.
 * @throws Error where the tree does not lead to the header's root
 */
export async function siblingsOf(
  db: Queryable,
  trees: SectionTrees,
  section: Section,
  leaf: Leaf,
  header: Header,
): Promise<SumNode[]> {
  const epoch = toSafeInteger(header.epoch, "epoch");
  const node = { hash: leafHash(trees.domain(section), leaf), sum: leaf.amount };
  const expected = headerSection(header, section);
  for (const last of [false, true]) {
    const view = await trees.at(db, section, epoch);
    if (leaf.index < view.count) {
      const siblings = view.proof(leaf.index);
      const root = foldProof(node, leaf.index, siblings);
      if (root.hash === expected.root && root.sum === expected.sum) return siblings;
    }
    if (!last) await trees.forget();
  }
  throw new Error(`the tree of ${section} in epoch ${epoch} does not lead to the header's root`);
}

function notFound(message: string): DomainError {
  return new DomainError("not_found", message);
}

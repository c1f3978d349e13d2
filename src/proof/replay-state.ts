/**
 * The leaves, recomputed from nothing but the journal. Lines go in from 0 on
 * without a gap; at any point the leaves of each section of an asset come out,
 * all of them or those that changed since the last closing, so that an auditor
 * compares them with what was published. It trusts nothing: the first line that
 * cannot follow the ones before it is a ReplayError with its number. Of a change
 * of owner it asks for signatures, without checking them.
 *
 * A leaf's amount is its account's posted credits − posted debits (`payouts`: the
 * posted credits alone); the rest is the account's newest position line. Accounts
 * with position lines, and no others, have leaves.
 */
import { type Hex, U128_LIMIT, ZERO_ADDRESS } from "./bytes.ts";
import type { ClosingLine, JournalLine, PositionLine } from "./journal-line.ts";
import type { Leaf } from "./leaf.ts";
import { ReplayAccounts, type ReplayedAccount } from "./replay-accounts.ts";
import { ReplayError } from "./replay-error.ts";
import { SECTIONS, type Section } from "./section.ts";

export type SectionLeaves = Record<Section, Leaf[]>;

interface Position {
  readonly account: ReplayedAccount;
  readonly section: Section;
  /** The account's newest position line. */
  line: PositionLine;
  /** The leaf as of the last closing; undefined where there was none. */
  closed: Leaf | undefined;
}

interface SectionState {
  /** In index order. */
  readonly positions: Position[];
  readonly keys: Set<Hex>;
  readonly changed: Set<Position>;
}

export class ReplayState {
  readonly #accounts = new ReplayAccounts();
  readonly #positions = new Map<string, Position>();
  readonly #assets = new Map<string, Record<Section, SectionState>>();
  #nextSeq = 0n;

  /** How many lines have been applied: the number that the next one must have. */
  get nextSeq(): bigint {
    return this.#nextSeq;
  }

  get assets(): string[] {
    return [...this.#assets.keys()];
  }

  get openHolds(): number {
    return this.#accounts.openHolds;
  }

  account(id: string): Readonly<ReplayedAccount> | undefined {
    return this.#accounts.get(id);
  }

  /** @throws ReplayError for a line that cannot follow; the state is then of no further use */
  apply(line: JournalLine): void {
    if (line.seq !== this.#nextSeq)
      throw new ReplayError(line.seq, `stands where ${this.#nextSeq} is expected`);
    if (line.kind === "transfer")
      for (const account of this.#accounts.transfer(line)) this.#markChanged(this.#positions.get(account.id));
    else if (line.kind === "position") this.#applyPosition(line);
    else if (line.kind === "closing") this.#applyClosing(line);
    this.#nextSeq += 1n;
  }

  /** All leaves of a section as of the last line, in index order. */
  leaves(asset: string, section: Section): Leaf[] {
    return (this.#assets.get(asset)?.[section].positions ?? []).map((position) => this.#leafOf(position));
  }

  /**
   * Closes an epoch of the asset: for each section the leaves that differ from
   * the previous closing, in index order. What differs is decided by content:
   * an amount that went and came back is no change.
   * @throws ReplayError where a leaf's amount is negative
   */
  closeEpoch(asset: string): SectionLeaves {
    const leaves = Object.fromEntries(SECTIONS.map((section) => [section, []])) as unknown as SectionLeaves;
    const sections = this.#assets.get(asset);
    if (!sections) return leaves;
    for (const section of SECTIONS) {
      for (const position of sections[section].changed) {
        const leaf = this.#leafOf(position);
        if (position.closed && sameLeaf(position.closed, leaf)) continue;
        position.closed = leaf;
        leaves[section].push(leaf);
      }
      sections[section].changed.clear();
      leaves[section].sort((left, right) => (left.index < right.index ? -1 : 1));
    }
    return leaves;
  }

  #applyClosing({ seq, account }: ClosingLine): void {
    if (this.#positions.has(account))
      throw new ReplayError(seq, `closes account ${account}, which has a leaf`);
    this.#accounts.close(account, seq);
  }

  #applyPosition(line: PositionLine): void {
    if (this.#accounts.isClosed(line.account))
      throw new ReplayError(line.seq, `gives account ${line.account} a leaf, which is closed`);
    const known = this.#positions.get(line.account);
    if (known) {
      const before = known.line;
      if (
        before.asset !== line.asset ||
        before.section !== line.section ||
        before.index !== line.index ||
        before.key !== line.key
      )
        throw new ReplayError(
          line.seq,
          `moves account ${line.account} to another asset, section, index or key`,
        );
      requireSignatures(line, before.owner);
      known.line = line;
      this.#markChanged(known);
      return;
    }
    requireSignatures(line, ZERO_ADDRESS);
    const account = this.#accounts.touch(line.account, line.asset, line.seq);
    const state = this.#sectionState(line.asset, line.section);
    const next = BigInt(state.positions.length);
    if (line.index !== next)
      throw new ReplayError(
        line.seq,
        `takes index ${line.index} of ${line.section} where ${next} is the next`,
      );
    if (state.keys.has(line.key))
      throw new ReplayError(line.seq, `takes a key of ${line.section} that has an index already`);
    const position: Position = { account, section: line.section, line, closed: undefined };
    state.keys.add(line.key);
    state.positions.push(position);
    this.#positions.set(line.account, position);
    this.#markChanged(position);
  }

  #markChanged(position: Position | undefined): void {
    if (position) this.#sectionState(position.line.asset, position.section).changed.add(position);
  }

  #sectionState(asset: string, section: Section): SectionState {
    let sections = this.#assets.get(asset);
    if (!sections) {
      sections = Object.fromEntries(
        SECTIONS.map((name) => [name, { positions: [], keys: new Set<Hex>(), changed: new Set<Position>() }]),
      ) as unknown as Record<Section, SectionState>;
      this.#assets.set(asset, sections);
    }
    return sections[section];
  }

  #leafOf({ account, section, line }: Position): Leaf {
    const amount =
      section === "payouts" ? account.creditsPosted : account.creditsPosted - account.debitsPosted;
    if (amount < 0n || amount >= U128_LIMIT)
      throw new ReplayError(this.#nextSeq - 1n, `leaves account ${account.id} with an amount of ${amount}`);
    return {
      index: line.index,
      owner: line.owner,
      key: line.key,
      amount,
      validUntil: line.validUntil,
      kind: line.positionKind,
      quantity: line.quantity,
    };
  }
}

/** Who a leaf belongs to changes by the wallets' word alone. What they signed is not looked at here. */
function requireSignatures(line: PositionLine, before: Hex): void {
  if (line.owner !== before && !line.signatures?.length)
    throw new ReplayError(
      line.seq,
      `gives account ${line.account} the owner ${line.owner} without a signature`,
    );
}

function sameLeaf(left: Leaf, right: Leaf): boolean {
  return (
    left.amount === right.amount &&
    left.owner === right.owner &&
    left.validUntil === right.validUntil &&
    left.kind === right.kind &&
    left.quantity === right.quantity
  );
}

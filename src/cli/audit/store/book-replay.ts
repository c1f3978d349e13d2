/**
 * The journal replayed in little memory: accounts and positions in flat records,
 * no line kept, so that memory grows with the positions of a book and not with
 * its lines. It says of every line and every leaf what `ReplayState` says, which
 * tests hold it against; besides, it can tell the leaves of every epoch that is
 * not final yet, and take such epochs back.
 */
import {
  type JournalLine,
  type Leaf,
  type PositionLine,
  ReplayError,
  SECTIONS,
  type Section,
  ZERO_ADDRESS,
} from "#proof";
import { AccountStore } from "./account-store.ts";
import { LeafImages, sameImage } from "./leaf-images.ts";
import { PositionStore } from "./position-store.ts";

const U128_LIMIT = 1n << 128n;

/** What an epoch changed, told as what was there before. */
export interface EpochUndo {
  readonly epoch: bigint;
  readonly before: LeafImages;
}

/** The numbers of changed positions, in index order. */
export type ChangedPositions = Readonly<Record<Section, Uint32Array>>;

export class BookReplay {
  readonly accounts = new AccountStore();
  readonly positions = new PositionStore();
  /** The asset whose leaves are closed. */
  readonly asset: string;
  /** Since the last closing. */
  changed = new LeafImages();
  /** Of the closed epochs that may still be taken back, oldest first. */
  undo: EpochUndo[] = [];
  /** The newest closed epoch. */
  closedEpoch = 0n;
  nextSeq = 0n;
  readonly #beforeMove = (account: number) => this.#keepImage(this.accounts.position(account));

  constructor(asset: string) {
    this.asset = asset;
  }

  /** Bytes of memory, without holds and images. */
  get bytes(): number {
    return this.accounts.bytes + this.positions.bytes;
  }

  /** @throws ReplayError for a line that cannot follow; the state is then of no further use */
  apply(line: JournalLine): void {
    if (line.seq !== this.nextSeq)
      throw new ReplayError(line.seq, `stands where ${this.nextSeq} is expected`);
    if (line.kind === "transfer") this.accounts.transfer(line, this.#beforeMove);
    else if (line.kind === "position") this.#applyPosition(line);
    else if (line.kind === "closing") this.#applyClosing(line.seq, line.account);
    this.nextSeq += 1n;
  }

  /** How many leaves a section of the asset has. */
  count(section: Section): number {
    return this.positions.count(this.#assetNumber(), section);
  }

  /** The position number at an index of the asset's section, or -1. */
  positionAt(section: Section, index: bigint): number {
    if (index >= BigInt(this.count(section))) return -1;
    return this.positions.at(this.#assetNumber(), section, Number(index));
  }

  /** Of an account's position; undefined where it has none. */
  positionOf(id: string): number | undefined {
    const account = this.accounts.ids.find(id);
    const position = account < 0 ? -1 : this.accounts.position(account);
    return position < 0 ? undefined : position;
  }

  /** @throws ReplayError where the amount is negative */
  leaf(position: number): Leaf {
    const account = this.positions.account(position);
    const amount = this.#amount(position);
    if (amount < 0n || amount >= U128_LIMIT)
      throw new ReplayError(
        this.nextSeq - 1n,
        `leaves account ${this.accounts.ids.text(account)} with an amount of ${amount}`,
      );
    return {
      index: BigInt(this.positions.index(position)),
      key: this.positions.key(position),
      amount,
      ...this.positions.meta(position),
    };
  }

  /** All leaves of a section as of the last line, in index order. */
  *leaves(section: Section): Generator<Leaf> {
    const asset = this.#assetNumber();
    for (let index = 0; index < this.positions.count(asset, section); index++)
      yield this.leaf(this.positions.at(asset, section, index));
  }

  /**
   * Closes an epoch: for each section the positions whose leaves differ from the
   * previous closing. What differs is decided by content: an amount that went and
   * came back is no change.
   * @throws ReplayError where a leaf's amount is negative
   */
  closeEpoch(epoch: bigint): ChangedPositions {
    const before = new LeafImages();
    const lists = Object.fromEntries(SECTIONS.map((section) => [section, [] as number[]]));
    for (let number = 0; number < this.changed.length; number++) {
      const { position, image } = this.changed.at(number);
      if (sameImage(image, this.leaf(position))) continue;
      before.copyFrom(this.changed, number);
      lists[this.positions.section(position)]?.push(position);
    }
    this.changed = new LeafImages();
    this.undo.push({ epoch, before });
    this.closedEpoch = epoch;
    // Positions are numbered as their indexes are given, so this is the order of the indexes.
    const sorted = SECTIONS.map((section) => [section, Uint32Array.from(lists[section] ?? []).sort()]);
    return Object.fromEntries(sorted) as ChangedPositions;
  }

  /** Epochs up to this one cannot be taken back any more. */
  settle(epoch: bigint): void {
    this.undo = this.undo.filter((one) => one.epoch > epoch);
  }

  /**
   * The leaves of a section as an epoch closed them, which is the newest or one
   * that can be gone back to, in index order.
   * @throws Error where that epoch is too old
   */
  *leavesAt(epoch: bigint, section: Section): Generator<Leaf> {
    const later = this.#imagesSince(epoch);
    const asset = this.#assetNumber();
    for (let index = 0; index < this.positions.count(asset, section); index++) {
      const position = this.positions.at(asset, section, index);
      const images = later.find((one) => one.has(position));
      if (!images) yield this.leaf(position);
      else {
        const image = images.get(position);
        // Positions only ever come: behind the first that was not there yet is none that was.
        if (!image) return;
        yield { index: BigInt(index), key: this.positions.key(position), ...image };
      }
    }
  }

  /** Takes closed epochs back, down to this one: what they changed counts as changed since it. */
  reopen(epoch: bigint): void {
    const merged = new LeafImages();
    for (const images of this.#imagesSince(epoch))
      for (let number = 0; number < images.length; number++) merged.copyFrom(images, number);
    this.changed = merged;
    this.undo = this.undo.filter((one) => one.epoch <= epoch);
    this.closedEpoch = epoch;
  }

  /** Oldest first: the first image of a position is what it was at that epoch. */
  #imagesSince(epoch: bigint): LeafImages[] {
    const later = this.undo.filter((one) => one.epoch > epoch);
    if (this.closedEpoch - epoch !== BigInt(later.length))
      throw new Error(`the leaves of epoch ${epoch} are not kept`);
    return [...later.map(({ before }) => before), this.changed];
  }

  #amount(position: number): bigint {
    const account = this.positions.account(position);
    const credits = this.accounts.creditsPosted(account);
    if (this.positions.section(position) === "payouts") return credits;
    return credits - this.accounts.debitsPosted(account);
  }

  #keepImage(position: number): void {
    if (position < 0 || this.positions.asset(position) !== this.#assetNumber()) return;
    if (!this.changed.has(position)) this.changed.keep(position, this.#amount(position), this.positions);
  }

  #assetNumber(): number {
    return this.asset === "" ? -1 : this.accounts.assets.intern(this.asset);
  }

  #applyClosing(seq: bigint, account: string): void {
    if (this.positionOf(account) !== undefined)
      throw new ReplayError(seq, `closes account ${account}, which has a leaf`);
    this.accounts.close(account, seq);
  }

  #applyPosition(line: PositionLine): void {
    const found = this.accounts.ids.find(line.account);
    if (found >= 0 && this.accounts.isClosed(found))
      throw new ReplayError(line.seq, `gives account ${line.account} a leaf, which is closed`);
    const position = found < 0 ? -1 : this.accounts.position(found);
    if (position < 0) {
      this.#addPosition(line);
      return;
    }
    const { positions } = this;
    if (
      this.accounts.assets.text(positions.asset(position)) !== line.asset ||
      positions.section(position) !== line.section ||
      BigInt(positions.index(position)) !== line.index ||
      positions.key(position) !== line.key
    )
      throw new ReplayError(
        line.seq,
        `moves account ${line.account} to another asset, section, index or key`,
      );
    requireSignatures(line, positions.meta(position).owner);
    this.#keepImage(position);
    positions.update(position, line);
  }

  #addPosition(line: PositionLine): void {
    requireSignatures(line, ZERO_ADDRESS);
    const account = this.accounts.touch(line.account, line.asset, line.seq);
    const asset = this.accounts.assets.intern(line.asset);
    const next = BigInt(this.positions.count(asset, line.section));
    if (line.index !== next)
      throw new ReplayError(
        line.seq,
        `takes index ${line.index} of ${line.section} where ${next} is the next`,
      );
    if (this.positions.hasKey(asset, line.section, line.key))
      throw new ReplayError(line.seq, `takes a key of ${line.section} that has an index already`);
    const position = this.positions.add(line, account, asset);
    this.accounts.setPosition(account, position);
    if (line.asset === this.asset) this.changed.keep(position, undefined, this.positions);
  }
}

/** Who a leaf belongs to changes by the wallets' word alone; what they signed is checked elsewhere. */
function requireSignatures(line: PositionLine, before: string): void {
  if (line.owner !== before && !line.signatures?.length)
    throw new ReplayError(
      line.seq,
      `gives account ${line.account} the owner ${line.owner} without a signature`,
    );
}

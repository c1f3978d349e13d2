/**
 * A made-up book on a real chain: its journal and leaf files in a folder, its
 * epochs committed to a registry, and a server that serves both as the product's
 * API does, for auditors that shall have a lot to read in little time.
 */
import { once } from "node:events";
import { createWriteStream, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import type { BaseWallet } from "ethers";
import {
  type Chain,
  commitCalldata,
  type DeploymentRecord,
  finalizeCalldata,
  NO_HEADER,
  sendTransaction,
} from "#infra";
import {
  dataHash,
  encodeJournalLine,
  encodeLeafLine,
  encodeStatement,
  HEADER_VERSION,
  type Header,
  type Hex,
  headerHash,
  type JournalLine,
  type Leaf,
  leafFileHash,
  linkDigest,
  logLeafHash,
  SECTIONS,
  type Section,
  type SectionLeaves,
  type SumTree,
  TileBuilder,
  ZERO_ADDRESS,
  ZERO_WORD,
} from "#proof";
import { emptyTrees } from "../../../src/cli/audit/audit-state.ts";
import { BookReplay } from "../../../src/cli/audit/store/book-replay.ts";
import { BulkDepositor } from "./bulk-deposits.ts";
import { JournalWriter, type WalletOf } from "./journal-writer.ts";

export interface WrittenEpoch {
  readonly header: Header;
  readonly txHash: string;
  readonly blockNumber: number;
  readonly finalizeTxHash: string;
  readonly leavesChanged: number;
}

export interface BookPlan {
  readonly lines: number;
  readonly epochs: number;
  readonly users: number;
  readonly seed: number;
  /** Of the first users, one each, who link them at once. */
  readonly wallets?: readonly BaseWallet[];
  /** So many deposits on the chain; their lines come beside the others. */
  readonly entries?: number;
}

/** What an operator who lies does otherwise; it is published, hashed and committed as if it were true. */
export interface Forgery {
  /** Of the leaves that the epoch changed, in index order. */
  readonly leaves?: (section: Section, honest: Leaf[]) => Leaf[];
  readonly header?: (honest: Header) => Header;
  /** Before the epoch's lines are written. */
  readonly lines?: (writer: JournalWriter) => void;
  /** Trees from here on are over leaves of another book; for the first epoch only, since they begin anew. */
  readonly record?: DeploymentRecord;
}

/** Every so many lines their place in the file is remembered. */
export const OFFSET_EVERY = 256;

export class WrittenBook {
  readonly folder: string;
  readonly record: DeploymentRecord;
  readonly epochs: WrittenEpoch[] = [];
  /** Of line 0, `OFFSET_EVERY`, twice that … its place in the journal's file. */
  readonly offsets: number[] = [];
  /** By level and index. */
  readonly tiles = new Map<string, Uint8Array>();
  readonly replay = new BookReplay("TST");
  readonly #chain: Chain;
  readonly #depositor: BulkDepositor;
  readonly #writer: JournalWriter;
  readonly #log = TileBuilder.resume(0n, () => new Uint8Array());
  #trees: Readonly<Record<Section, SumTree>>;
  #bytes = 0;
  #entries = 0n;

  constructor(folder: string, chain: Chain, record: DeploymentRecord, plan: BookPlan) {
    this.folder = folder;
    this.record = record;
    this.#chain = chain;
    this.#depositor = new BulkDepositor(chain, record);
    this.#writer = new JournalWriter(plan.users, plan.seed, linking(record, [...(plan.wallets ?? [])]));
    this.#trees = emptyTrees(record, 0n);
    mkdirSync(folder, { recursive: true });
  }

  get journalFile(): string {
    return join(this.folder, "journal.ndjson");
  }

  leafFile(epoch: bigint, section: Section): string {
    return join(this.folder, `${epoch}-${section}.ndjson`);
  }

  /**
   * Writes so many lines more and commits them as the next epoch.
   * @param entries so many deposits before them; the first epoch has none
   */
  async writeEpoch(lines: number, forgery: Forgery = {}, entries = 0): Promise<WrittenEpoch> {
    forgery.lines?.(this.#writer);
    const time = await this.#writeLines(lines, entries);
    const epoch = BigInt(this.epochs.length + 1);
    const changed = this.#changedLeaves(epoch, forgery);
    for (const tile of this.#log.takeChanged()) this.tiles.set(`${tile.level}/${tile.index}`, tile.hashes);
    const previous = this.epochs.at(-1)?.header;
    const honest: Header = {
      ...{ version: HEADER_VERSION, chainId: BigInt(this.record.chain_id), epoch },
      registry: this.record.registry.toLowerCase() as Hex,
      previous: previous ? headerHash(previous) : ZERO_WORD,
      dataHash: this.#publish(epoch, changed),
      sections: SECTIONS.map((section) => this.#root(epoch, section, changed[section])),
      ...{ journalRoot: this.#log.root(), journalSize: this.#log.size },
      ...{ depositSeq: this.#entries, closedAt: time },
    };
    const header = forgery.header?.(honest) ?? honest;
    const leavesChanged = SECTIONS.reduce((total, section) => total + changed[section].length, 0);
    const written = { header, leavesChanged, ...(await this.#commit(header, previous)) };
    this.epochs.push(written);
    return written;
  }

  #changedLeaves(epoch: bigint, forgery: Forgery): SectionLeaves {
    const changed = this.replay.closeEpoch(epoch);
    this.replay.settle(epoch);
    if (forgery.record) this.#trees = emptyTrees(forgery.record, epoch - 1n);
    const leaves = {} as SectionLeaves;
    for (const section of SECTIONS) {
      const honest = [...changed[section]].map((position) => this.replay.leaf(position));
      leaves[section] = forgery.leaves?.(section, honest) ?? honest;
    }
    return leaves;
  }

  async #writeLines(count: number, entries: number): Promise<bigint> {
    const file = createWriteStream(this.journalFile, { flags: "a" });
    let time = 0n;
    let text = "";
    for await (const line of this.#lines(count, entries)) {
      const encoded = encodeJournalLine(line);
      if (Number(line.seq) % OFFSET_EVERY === 0) this.offsets.push(this.#bytes);
      // All ASCII: a character is a byte.
      this.#bytes += encoded.length + 1;
      text += `${encoded}\n`;
      this.replay.apply(line);
      this.#log.append(logLeafHash(encoded));
      time = line.time;
      if (text.length < 1 << 20) continue;
      if (!file.write(text)) await once(file, "drain");
      text = "";
    }
    file.end(text);
    await finished(file);
    return time;
  }

  async *#lines(count: number, entries: number): AsyncGenerator<JournalLine> {
    for await (const entry of this.#depositor.deposit(entries)) {
      this.#entries++;
      this.#writer.enter(entry);
      while (!this.#writer.isIdle) yield this.#writer.next();
    }
    for (let number = 0; number < count; number++) yield this.#writer.next(count - number);
  }

  #publish(epoch: bigint, changed: SectionLeaves): Hex {
    const hashes = {} as Record<Section, Hex>;
    for (const section of SECTIONS) {
      const text = changed[section].map((leaf) => `${encodeLeafLine(leaf)}\n`).join("");
      hashes[section] = leafFileHash(text);
      writeFileSync(this.leafFile(epoch, section), text);
    }
    return dataHash(hashes);
  }

  #root(epoch: bigint, section: Section, leaves: readonly Leaf[]) {
    const { root, sum, count } = this.#trees[section].apply(epoch, leaves);
    return { root, sum, count };
  }

  async #commit(header: Header, previous: Header | undefined) {
    const { signer } = this.#chain;
    if (!signer) throw new Error("a written book needs a signer");
    const to = this.record.registry;
    const commit = await sendTransaction(signer, { to, data: commitCalldata(previous ?? NO_HEADER, header) });
    const finalize = await sendTransaction(signer, { to, data: finalizeCalldata(header) });
    return {
      txHash: commit.hash.toLowerCase(),
      blockNumber: commit.blockNumber,
      finalizeTxHash: finalize.hash.toLowerCase(),
    };
  }
}

/** Far enough ahead for every line of a made-up journal. */
const DEADLINE = 2n ** 40n;

function linking({ chain_id, registry }: DeploymentRecord, wallets: BaseWallet[]): WalletOf {
  const book = { chainId: BigInt(chain_id), registry: registry.toLowerCase() as Hex };
  return (user) => {
    const wallet = wallets.shift();
    if (!wallet) return null;
    const address = wallet.address.toLowerCase() as Hex;
    const message = { user, wallet: address, previous: ZERO_ADDRESS, number: 1n, deadline: DEADLINE };
    const signature = wallet.signingKey.sign(linkDigest(book, message)).serialized as Hex;
    return {
      address,
      link: encodeStatement({ kind: "link", message, signer: "wallet", block: 0n, signature }),
    };
  };
}

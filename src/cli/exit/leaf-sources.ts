/**
 * Where the leaves of the last final epoch come from: a server that still
 * answers, what an audit kept, the published files, or the files that were
 * published after an audit.
 */
import type { Chain, DeploymentRecord } from "#infra";
import { type Header, type Hex, headerHash, type Leaf, parseLeafLine, type Section } from "#proof";
import { ApiSource, type ServedBook } from "../audit/api-source.ts";
import type { AuditState } from "../audit/audit-state.ts";
import { linesOf } from "../audit/bounded-reads.ts";
import { finalHeaders } from "./final-headers.ts";
import type { PublishedCopy } from "./published-copy.ts";
import { type FileFault, PublishedLeaves } from "./published-leaves.ts";

/** Told of long work: what is done, how much of it, of how much. */
export type OnProgress = (what: string, done: number, total: number) => void;

/** A section's leaves as an epoch left them, in index order. */
export interface EpochLeaves {
  readonly header: Header;
  leaves(section: Section): AsyncIterable<Leaf> | Iterable<Leaf>;
  /** Why the leaves of a section are not the right ones, as the end of a sentence; empty where that is not known. */
  whyNot(section: Section): string;
  /** What is wrong and does no harm, given the sections that are right. */
  notesOn(right: readonly Section[]): readonly string[];
}

export interface LeafSource {
  readonly description: string;
  /**
   * @param epoch the last final one and its hash, by the registry
   * @throws Error where it is not known here
   */
  open(
    epoch: { readonly epoch: bigint; readonly headerHash: Hex },
    onProgress: OnProgress,
  ): Promise<EpochLeaves>;
}

export function fromApi(served: ServedBook): LeafSource {
  const source = new ApiSource(served);
  return {
    description: `the data of ${served.api}`,
    async open({ epoch }) {
      const { header } = await source.epoch(epoch);
      return {
        header,
        leaves: (section) => parsed(source.leafFile(epoch, section, true)),
        ...{ whyNot: () => "", notesOn: () => [] },
      };
    },
  };
}

async function* parsed(file: AsyncIterable<Uint8Array>): AsyncGenerator<Leaf> {
  for await (const line of linesOf(file)) yield parseLeafLine(line);
}

/** What an audit kept, and in which folder. */
export interface KeptAudit {
  readonly folder: string;
  readonly state: AuditState;
}

/** What audits kept, where one knows the epoch; else the published files, after the newest final epoch that an audit kept. */
export function fromData(
  chain: Chain,
  record: DeploymentRecord,
  kept: readonly KeptAudit[],
  copies: readonly PublishedCopy[],
): LeafSource {
  const names = [...kept.map(({ folder }) => folder), ...copies.map(({ name }) => name)];
  const description = `the data in ${names.join(", ")}`;
  return {
    description,
    async open({ epoch, headerHash: hash }, onProgress) {
      const audited = new Map<Hex, { header: Header; state: AuditState }>();
      for (const { state } of kept)
        for (const header of state.headers) audited.set(headerHash(header), { header, state });
      if (copies.length === 0 && !audited.has(hash)) throw outdated(kept, epoch);
      const [first, ...others] = await finalHeaders(chain, {
        ...{ registry: record.registry, epoch, headerHash: hash },
        known: (one) => audited.get(one)?.header,
        onProgress: (found, all) => onProgress("headers", found, all),
      });
      if (!first) throw new Error(`epoch ${epoch} has no header`);
      const published = new PublishedLeaves(record, copies);
      const start = audited.get(headerHash(first))?.state;
      if (start) published.begin(first, (section) => start.replay.leavesAt(first.epoch, section));
      else await published.add(first);
      for (const header of others) {
        onProgress("published epochs", Number(header.epoch), Number(epoch));
        await published.add(header);
      }
      const header = others.at(-1) ?? first;
      return {
        ...{ header, leaves: (section) => published.leaves(section) },
        whyNot: (section) => reasonOf(published.faults.filter((fault) => fault.section === section)),
        notesOn: (right) => notesOn(published.faults.filter(({ section }) => right.includes(section))),
      };
    },
  };
}

function outdated(kept: readonly KeptAudit[], epoch: bigint): Error {
  const [one] = kept;
  const newest = one?.state.newest?.epoch ?? 0n;
  return new Error(
    newest < epoch
      ? `${one?.folder} ends with epoch ${newest}, the last final one is ${epoch}: add a copy of the published files by another --data, or run anchorbook audit --state ${one?.folder} while somebody serves its data`
      : `${one?.folder} does not keep epoch ${epoch} any more`,
  );
}

const MOST_FILES = 5;

/** What would help. */
function reasonOf(faults: readonly FileFault[]): string {
  const lost = faults.filter(({ takenFrom }) => takenFrom === null);
  if (lost.length === 0)
    return faults.length === 0
      ? ", though every file is the one that was published"
      : `; ${listOf(faults)} could not be told from a wrong one`;
  return `: ${listOf(lost)}. Anybody's copy of ${lost.length === 1 ? "that file" : "those files"} will do, in a folder or on a server, by another --data`;
}

function notesOn(faults: readonly FileFault[]): string[] {
  const notes = faults
    .slice(0, MOST_FILES)
    .map(
      (fault) =>
        `${textOf(fault)}; ${fault.takenFrom === null ? "later files made up for it" : `taken from ${fault.takenFrom}`}`,
    );
  return faults.length > MOST_FILES ? [...notes, `and ${faults.length - MOST_FILES} files more`] : notes;
}

function listOf(faults: readonly FileFault[]): string {
  const more = faults.length > MOST_FILES ? `, and ${faults.length - MOST_FILES} files more` : "";
  return `${faults.slice(0, MOST_FILES).map(textOf).join("; ")}${more}`;
}

function textOf({ path, epoch, problems }: FileFault): string {
  return `${path} of epoch ${epoch} ${problems.map(({ copy, what }) => `${what} in ${copy}`).join(", ")}`;
}

/**
 * A copy of the folder in which an operator publishes epochs: a folder, or its
 * address on any web server that serves files. It is only read; what it has is
 * for others to judge.
 */
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { FormatError, type Hex, KeccakStream, parseLeafLine, type Section, toHex } from "#proof";
import { askServer, NoAnswer } from "../ask-server.ts";
import { linesOf } from "../audit/bounded-reads.ts";
import { hashed } from "../audit/published-leaves.ts";
import { LeafRecords } from "./leaf-records.ts";

export interface PublishedCopy {
  /** As it was given. */
  readonly name: string;
  /** Null where it does not have the file. @throws Error where that cannot be told */
  open(path: string): Promise<AsyncIterable<Uint8Array> | null>;
}

/** A leaf file as one copy has it. */
export type StagedFile =
  | { readonly copy: PublishedCopy; readonly hash: Hex; readonly leaves: LeafRecords }
  | { readonly copy: PublishedCopy; readonly problem: string };

const ATTEMPTS = 4;
const FIRST_PAUSE_MS = 250;
/** The server may be fine again in a moment. */
const PASSING = [408, 429, 500, 502, 503, 504];

export function isAddressOfCopy(place: string): boolean {
  return /^https?:\/\//.test(place);
}

/** @param answerSeconds how long an answer is waited for, where it is an address */
export function publishedCopy(place: string, answerSeconds: number): PublishedCopy {
  return isAddressOfCopy(place) ? servedCopy(place, answerSeconds) : folderCopy(place);
}

/** Where in a copy the file is. */
export function leafFilePath(headerHash: Hex, section: Section): string {
  return `${headerHash}/leaves-${section}.ndjson`;
}

/**
 * A TypeError is fetch's word for a connection that ended before the answer did: it is read again.
 * @param count a file has no more leaves, and no higher index
 */
export async function stageFile(
  copy: PublishedCopy,
  headerHash: Hex,
  section: Section,
  count: bigint,
): Promise<StagedFile> {
  for (let attempt = 1; ; attempt++)
    try {
      const file = await copy.open(leafFilePath(headerHash, section));
      return file ? { copy, ...(await readLeaves(file, count)) } : { copy, problem: "is missing" };
    } catch (error) {
      if (error instanceof TypeError && attempt < ATTEMPTS) continue;
      const what = error instanceof Error ? error.message : String(error);
      return { copy, problem: error instanceof FormatError ? what : `cannot be read (${what})` };
    }
}

async function readLeaves(file: AsyncIterable<Uint8Array>, count: bigint) {
  const leaves = new LeafRecords();
  const hash = new KeccakStream();
  let last = -1n;
  for await (const line of linesOf(hashed(file, hash))) {
    const leaf = parseLeafLine(line);
    if (leaf.index <= last || leaf.index >= count)
      throw new FormatError("", `has index ${leaf.index} where it cannot be`);
    last = leaf.index;
    leaves.set(leaves.length, leaf);
  }
  return { hash: toHex(hash.digest()), leaves };
}

function folderCopy(folder: string): PublishedCopy {
  return {
    name: folder,
    async open(path) {
      let file: FileHandle;
      try {
        file = await open(join(folder, path));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
        throw error;
      }
      return file.createReadStream();
    },
  };
}

/** Once it does not answer at all it is not asked again: there may be thousands of files. */
function servedCopy(address: string, answerSeconds: number): PublishedCopy {
  const base = address.replace(/\/+$/, "");
  const SILENT = `no answer in ${answerSeconds} s`;
  let silent: string | undefined;
  async function* untilSilent(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      yield* pieces;
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      silent = SILENT;
      throw new Error(silent, { cause: error });
    }
  }
  return {
    name: address,
    async open(path) {
      for (let attempt = 1; ; attempt++) {
        if (silent !== undefined) throw new Error(silent);
        const answer = await askServer(base, `/${path}`, {}, answerSeconds).catch(
          (error: unknown) => error as Error,
        );
        if (answer instanceof NoAnswer) {
          silent = SILENT;
          continue;
        }
        const isGone = answer instanceof Error;
        if (!isGone && answer.response.ok) return untilSilent(answer.pieces);
        const passing = isGone || PASSING.includes(answer.response.status);
        if (passing && attempt < ATTEMPTS) {
          await wait(FIRST_PAUSE_MS * attempt);
          continue;
        }
        if (isGone) silent = "no server answers there";
        else if ([404, 410].includes(answer.response.status)) return null;
        else throw new Error(`the server answers ${answer.response.status}`);
      }
    },
  };
}

/** Serves a written book on a free port, as much of the API as an auditor asks for. */
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { toRfc3339 } from "#kernel";
import {
  consistencyProof,
  encodeLeafLine,
  formatCheckpoint,
  formatNote,
  formatVerifierKey,
  hashesFromTiles,
  headerHash,
  headerToJson,
  isSection,
  type Leaf,
} from "#proof";
import { createLogSigner } from "#settlement";
import { OFFSET_EVERY, type WrittenBook, type WrittenEpoch } from "./written-book.ts";

const signer = createLogSigner("log.example/written", new Uint8Array(32).fill(9));

export interface ServedBook {
  readonly url: string;
  close(): Promise<void>;
}

/** @param cosign what a witness adds to a checkpoint's note */
export async function serveBook(book: WrittenBook, cosign?: (note: string) => string): Promise<ServedBook> {
  const server = createServer((request, response) => {
    answer({ book, cosign }, request, response).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      if (!server.listening) return;
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

interface Serving {
  readonly book: WrittenBook;
  readonly cosign: ((note: string) => string) | undefined;
}

async function answer(
  { book, cosign }: Serving,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? "", "http://127.0.0.1");
  const number = (name: string) => Number(searchParams.get(name));
  const json = (body: unknown) =>
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
  const [, epoch] = /^\/api\/v1\/audit\/epochs\/(\d+)\/leaves$/.exec(pathname) ?? [];
  const [, size] = /^\/api\/v1\/log\/checkpoints\/(\d+)$/.exec(pathname) ?? [];
  if (pathname === "/api/v1/settlement/contracts") json({ ...book.record, rpc_url: null });
  else if (pathname === "/api/v1/settlement/epochs") json(epochPage(book, searchParams));
  else if (pathname === "/api/v1/audit/journal")
    await journal(book, number("from"), number("limit"), response);
  else if (pathname === "/api/v1/log/consistency")
    json({ proof: consistency(book, number("from"), number("to")) });
  else if (epoch !== undefined) await leaves(book, BigInt(epoch), searchParams, response);
  else if (size !== undefined) json(checkpoint(book, BigInt(size), cosign));
  else response.writeHead(404).end();
}

function epochPage({ epochs }: WrittenBook, query: URLSearchParams) {
  const below = Number(query.get("cursor") ?? epochs.length + 1);
  const from = Math.max(0, below - 1 - Number(query.get("limit")));
  return {
    data: epochs
      .slice(from, below - 1)
      .toReversed()
      .map(epochJson),
    next_cursor: from > 0 ? `${from + 1}` : null,
  };
}

function epochJson({ header, txHash, blockNumber, finalizeTxHash, leavesChanged }: WrittenEpoch) {
  return {
    ...{
      epoch: Number(header.epoch),
      status: "final",
      header: headerToJson(header),
      header_hash: headerHash(header),
    },
    ...{ tx_hash: txHash, block_number: blockNumber, finalize_tx_hash: finalizeTxHash },
    ...{ journal_size: Number(header.journalSize), leaves_changed: leavesChanged },
    closed_at: toRfc3339(Number(header.closedAt)),
  };
}

function checkpoint({ epochs }: WrittenBook, size: bigint, cosign: Serving["cosign"]) {
  const root = epochs.find(({ header }) => header.journalSize === size)?.header.journalRoot;
  if (!root) throw new Error(`no epoch has ${size} lines`);
  const text = formatCheckpoint({ origin: signer.origin, size, root });
  const note = formatNote({ text, signatures: [signer.sign(text)] });
  return {
    note: cosign ? `${note}${cosign(note)}\n` : note,
    verifier_key: formatVerifierKey(signer.key),
  };
}

function consistency({ tiles }: WrittenBook, from: number, to: number) {
  const hashes = hashesFromTiles(({ level, index }) => tiles.get(`${level}/${index}`) ?? new Uint8Array());
  return consistencyProof(BigInt(from), BigInt(to), hashes);
}

async function leaves(
  book: WrittenBook,
  epoch: bigint,
  query: URLSearchParams,
  response: ServerResponse,
): Promise<void> {
  const section = query.get("section");
  if (!isSection(section)) throw new Error("no such section");
  response.writeHead(200, { "content-type": "application/x-ndjson" });
  const file =
    query.get("full") === "true"
      ? Readable.from(leafLines(book.replay.leaves(section)))
      : createReadStream(book.leafFile(epoch, section));
  await pipeline(file, response);
}

function* leafLines(leaves: Iterable<Leaf>): Generator<string> {
  for (const leaf of leaves) yield `${encodeLeafLine(leaf)}\n`;
}

/** Bytes from the remembered place before the first line, less the lines in front of it. */
async function journal(
  book: WrittenBook,
  from: number,
  limit: number,
  response: ServerResponse,
): Promise<void> {
  response.writeHead(200, { "content-type": "application/x-ndjson" });
  const start = book.offsets[Math.floor(from / OFFSET_EVERY)];
  if (start === undefined) {
    response.end();
    return;
  }
  const end = book.offsets[Math.ceil((from + limit) / OFFSET_EVERY)];
  const file = createReadStream(book.journalFile, { start, ...(end === undefined ? {} : { end: end - 1 }) });
  await pipeline(file, linesOnly(from % OFFSET_EVERY, limit), response);
}

/** Leaves lines out at the beginning, and all after so many. */
function linesOnly(skip: number, count: number) {
  return async function* (pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let toSkip = skip;
    let toPass = count;
    for await (const piece of pieces) {
      let from = 0;
      while (toSkip > 0) {
        const newline = piece.indexOf(10, from);
        if (newline < 0) break;
        from = newline + 1;
        toSkip--;
      }
      if (toSkip > 0) continue;
      let to = from;
      while (toPass > 0) {
        const newline = piece.indexOf(10, to);
        if (newline < 0) break;
        to = newline + 1;
        toPass--;
      }
      yield piece.subarray(from, toPass > 0 ? piece.length : to);
      if (toPass === 0) return;
    }
  };
}

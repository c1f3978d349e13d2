/** A witness over HTTP as c2sp.org/tlog-witness has it, for one log; it remembers what it cosigned last. */
import { createPrivateKey, sign } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import {
  type Checkpoint,
  cosignatureOf,
  cosignedMessage,
  FormatError,
  formatSignatureLine,
  fromBase64,
  type Hex,
  NOTE_COSIGNATURE,
  type NoteKey,
  noteKey,
  openCheckpoint,
  parseNote,
  toHex,
  verifyConsistency,
} from "#proof";
import { createLogSigner } from "#settlement";

export interface WitnessKey {
  readonly key: NoteKey;
  /** Its signature line of a checkpoint's note, at a time in Unix seconds. */
  line(note: string, time: number): string;
}

/** @param fill every byte of the key's seed */
export function witnessKey(name: string, fill: number): WitnessKey {
  const seed = Buffer.alloc(32, fill);
  const { publicKey } = createLogSigner("unused", seed).key;
  const privateKey = createPrivateKey({
    key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]),
    ...{ format: "der", type: "pkcs8" },
  });
  const key = noteKey(name, NOTE_COSIGNATURE, publicKey);
  return {
    key,
    line(note, time) {
      const message = cosignedMessage(parseNote(note).text, BigInt(time));
      return formatSignatureLine(cosignatureOf(key, BigInt(time), sign(null, message, privateKey)));
    },
  };
}

export interface TlogWitness {
  readonly url: string;
  /** What it cosigned last. */
  last(): Checkpoint | undefined;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly type?: string;
}

export async function startWitness(witness: WitnessKey, logKey: NoteKey): Promise<TlogWitness> {
  let last: Checkpoint | undefined;

  async function add(body: string): Promise<Answer> {
    const end = body.indexOf("\n\n");
    const [first = "", ...lines] = body.slice(0, end).split("\n");
    const note = body.slice(end + 2);
    const old = BigInt(/^old (\d+)$/.exec(first)?.[1] ?? -1);
    const proof: Hex[] = lines.map((line) => toHex(fromBase64(line)));
    let checkpoint: Checkpoint;
    try {
      checkpoint = await openCheckpoint(note, [logKey]);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return { status: 403, body: error.message };
    }
    const { size, root } = checkpoint;
    if (old < 0n || old > size) return { status: 400, body: "old size" };
    if (old !== (last?.size ?? 0n))
      return { status: 409, body: `${last?.size ?? 0n}\n`, type: "text/x.tlog.size" };
    if (last && !verifyConsistency(last.size, size, proof, last.root, root))
      return { status: last.size === size ? 409 : 422, body: "not consistent" };
    last = checkpoint;
    return { status: 200, body: `${witness.line(note, Math.floor(Date.now() / 1_000))}\n` };
  }

  const server = createServer((req, res) => {
    void text(req)
      .then((body) =>
        req.method === "POST" && req.url === "/add-checkpoint" ? add(body) : { status: 404, body: "" },
      )
      .catch((error: unknown): Answer => ({ status: 500, body: String(error) }))
      .then(({ status, body, type = "text/plain" }: Answer) =>
        res.writeHead(status, { "content-type": type }).end(body),
      );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    last: () => last,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

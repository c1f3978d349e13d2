/**
 * Asks a witness that speaks c2sp.org/tlog-witness to cosign a checkpoint: it is
 * sent the checkpoint and the proof that the log only grew since the one it
 * cosigned last, which it names where we do not know it.
 */

export interface AskedWitness {
  /** Its submission prefix. */
  readonly url: string;
  /** The checkpoint as a signed note, of `size` lines. */
  readonly note: string;
  readonly size: bigint;
  /** The proof from an earlier size to this one: hashes of 32 bytes as 0x-hex. */
  consistencyFrom(size: bigint): Promise<readonly string[]>;
  readonly signal?: AbortSignal;
}

const CONFLICT = 409;
const SIZE_TYPE = "text/x.tlog.size";
const TIMEOUT_MS = 30_000;
const MAX_ANSWER_LENGTH = 65_536;

/**
 * @returns the witness's signature lines, none of them checked
 * @throws Error where the witness does not cosign; the message has what it said
 */
export async function askWitness(asked: AskedWitness): Promise<string[]> {
  const { size } = asked;
  const first = await submit(asked, 0n, []);
  const last = await sizeOf(first);
  if (last === undefined) return cosignaturesIn(first);
  if (last > size)
    throw new Error(`the witness has seen ${last} lines already, this checkpoint is of ${size}`);
  const proof = last === 0n || last === size ? [] : await asked.consistencyFrom(last);
  return cosignaturesIn(await submit(asked, last, proof));
}

async function submit(
  { url, note, signal }: AskedWitness,
  old: bigint,
  proof: readonly string[],
): Promise<Response> {
  const hashes = proof.map((hash) => `${Buffer.from(hash.slice("0x".length), "hex").toString("base64")}\n`);
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  return fetch(`${url.replace(/\/+$/, "")}/add-checkpoint`, {
    method: "POST",
    body: `old ${old}\n${hashes.join("")}\n${note}`,
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
  }).catch((cause: unknown) => {
    throw new Error(`no witness answers at ${url}`, { cause });
  });
}

/** Of the log that the witness cosigned last, where it says that it is another than we said. */
async function sizeOf(response: Response): Promise<bigint | undefined> {
  const isSize = response.headers.get("content-type")?.startsWith(SIZE_TYPE) ?? false;
  if (response.status !== CONFLICT || !isSize) return undefined;
  const [, size] = /^(0|[1-9]\d{0,18})\n?$/.exec(await response.text()) ?? [];
  if (size === undefined) throw new Error("the witness names no size");
  return BigInt(size);
}

async function cosignaturesIn(response: Response): Promise<string[]> {
  const text = await response.text();
  if (!response.ok)
    throw new Error(
      `the witness answers ${response.status}: ${text.slice(0, 200).trim() || response.statusText}`,
    );
  if (text.length > MAX_ANSWER_LENGTH) throw new Error("the witness's answer is too long");
  return text.split("\n").filter((line) => line !== "");
}

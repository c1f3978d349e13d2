/**
 * What the API serves to an auditor: epochs, leaf files, journal lines. Nothing
 * is believed here; it is only read, strictly, and asked again where a connection
 * was lost or the server was away for a moment.
 */
import { setTimeout as wait } from "node:timers/promises";
import {
  FormatError,
  type Header,
  type Hex,
  headerHash,
  parseHeader,
  requireHexList,
  type Section,
} from "#proof";
import { inCommands, ledgerHeader, withAsset } from "../api-client.ts";
import { type Answer, askServer, NoAnswer, NoServer, noAnchorbookAt } from "../ask-server.ts";
import { batchesOf, CutOff, jsonOf } from "./bounded-reads.ts";
import { Lie } from "./checks.ts";

export interface ServedEpoch {
  readonly epoch: bigint;
  readonly status: string;
  readonly headerHash: Hex;
  readonly journalSize: unknown;
  readonly leavesChanged: unknown;
  readonly closedAt: unknown;
  /** Of the commit. */
  readonly txHash: string | null;
  readonly blockNumber: unknown;
  readonly finalizeTxHash: string | null;
}

export interface ServedHeader extends ServedEpoch {
  /** Of the header hash. */
  readonly header: Header;
}

export interface ServedContracts {
  readonly chainId: number;
  readonly registry: string;
  readonly token: string;
  readonly custodians: Readonly<Record<Section, string>>;
  readonly deployedBlock: number;
}

export interface ServedAttestations {
  readonly headerHash: string;
  readonly given: readonly { readonly attester: string; readonly signature: string }[];
}

const PAGE = 1_000;
/** So many epochs a server may have closed and not committed. */
const MOST_AHEAD = 10_000n;
const JOURNAL_LINES = 50_000;
const ATTEMPTS = 4;
const FIRST_PAUSE_MS = 250;
const MOST_REASON_CHARS = 300;
/** The server may be fine again in a moment. */
const PASSING = [429, 502, 503, 504];

export interface ServedBook {
  readonly api: string;
  /** Another than the default one. */
  readonly ledger?: string | undefined;
  /** Whose book; without it the ledger's first. */
  readonly asset?: string | undefined;
  /** How long an answer is waited for, and each next piece of it. */
  readonly answerSeconds: number;
}

export class ApiSource {
  readonly #base: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #asset: string | undefined;
  readonly #answerSeconds: number;
  /** Only a server that did is asked again where it falls silent: an audit may take days, and a connection less. */
  #hasAnswered = false;

  constructor({ api, ledger, asset, answerSeconds }: ServedBook) {
    this.#base = api.replace(/\/+$/, "");
    this.#headers = ledgerHeader(ledger);
    this.#asset = asset;
    this.#answerSeconds = answerSeconds;
  }

  async contracts(): Promise<ServedContracts> {
    const body = (await this.#json(this.#ofBook("/api/v1/settlement/contracts"))) as Record<string, unknown>;
    const { chain_id, registry, token, custodians, deployed_block } = body;
    const isText = typeof registry === "string" && typeof token === "string";
    if (!isText || typeof chain_id !== "number" || !isBlockNumber(deployed_block))
      throw new Lie("contracts", {}, "the API's answer about its contracts is malformed");
    return {
      chainId: chain_id,
      registry,
      token,
      custodians: custodians as ServedContracts["custodians"],
      deployedBlock: deployed_block,
    };
  }

  /** Where the API says that its chain is, for whoever has no better source. @throws Error where it does not say */
  async rpcUrl(): Promise<string> {
    const { rpc_url } = (await this.#json(this.#ofBook("/api/v1/settlement/contracts"))) as {
      rpc_url?: unknown;
    };
    if (typeof rpc_url === "string") return rpc_url;
    throw new Error("the API does not say where its chain is; use --rpc URL");
  }

  /**
   * The epochs that the API lists above one, by number.
   * @param committed the newest on the chain: a server may be some ahead of it, while it is away
   */
  async epochs(above: bigint, committed: bigint): Promise<Map<bigint, ServedEpoch>> {
    const epochs = new Map<bigint, ServedEpoch>();
    let before = committed + MOST_AHEAD;
    for (let cursor: string | null = ""; cursor !== null; ) {
      const page = await this.#epochPage(cursor);
      let oldest = before;
      for (const item of page.data) {
        // Of many epochs only the hashes are kept.
        const { header: _, ...epoch } = readEpoch(item);
        if (epoch.epoch >= before)
          throw new Lie("api_epochs", { epoch: epoch.epoch }, "the API lists it out of its turn");
        oldest = epoch.epoch;
        if (epoch.epoch <= above) continue;
        // A vetoed epoch may stand beside the one that took its number.
        const known = epochs.get(epoch.epoch);
        if (known && known.status !== "vetoed" && epoch.status !== "vetoed")
          throw new Lie("api_epochs", { epoch: epoch.epoch }, "the API lists it twice");
        if (!known || known.status === "vetoed") epochs.set(epoch.epoch, epoch);
      }
      // Whoever lists nothing older and has more to come never ends.
      cursor = oldest <= above || oldest === before ? null : page.next_cursor;
      before = oldest;
    }
    return epochs;
  }

  async #epochPage(cursor: string) {
    const query = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    return (await this.#json(this.#ofBook(`/api/v1/settlement/epochs?limit=${PAGE}${query}`))) as {
      readonly data: readonly unknown[];
      readonly next_cursor: string | null;
    };
  }

  async epoch(number: bigint): Promise<ServedHeader> {
    return readEpoch(await this.#json(this.#ofBook(`/api/v1/settlement/epochs/${number}`)));
  }

  /** The leaf file in pieces, exactly as served; or all leaves of the section as they were then. */
  async *leafFile(epoch: bigint, section: Section, full = false): AsyncGenerator<Uint8Array> {
    const query = full ? "&full=true" : "";
    yield* this.#bytes(this.#ofBook(`/api/v1/audit/epochs/${epoch}/leaves?section=${section}${query}`));
  }

  /** Journal lines `from` to `to` - 1 in batches, without their newlines; fewer where the API has no more. */
  async *journal(from: bigint, to: bigint): AsyncGenerator<string[]> {
    for (let next = from, attempt = 1; next < to; ) {
      const wanted = to - next < BigInt(JOURNAL_LINES) ? to - next : BigInt(JOURNAL_LINES);
      const before = next;
      try {
        for await (const lines of batchesOf(
          this.#bytes(`/api/v1/audit/journal?from=${next}&limit=${wanted}`),
        )) {
          if (next + BigInt(lines.length) > before + wanted)
            throw new FormatError(
              "",
              `is served on behind line ${before + wanted - 1n}, the last that was asked for`,
            );
          yield lines;
          next += BigInt(lines.length);
        }
      } catch (error) {
        // What was cut off, or fell silent on its way, goes on where it ended.
        const isLost = isCutOff(error) || (error instanceof NoAnswer && next > before);
        if (!isLost || (next === before && ++attempt > ATTEMPTS)) throw error;
        await wait(FIRST_PAUSE_MS * attempt);
        continue;
      }
      if (next === before) return;
      attempt = 1;
    }
  }

  /** A checkpoint of so many lines: the signed note and the key that the server says signed it. */
  async checkpoint(size: bigint): Promise<{ note: string; verifierKey: string }> {
    const { note, verifier_key } = (await this.#json(`/api/v1/log/checkpoints/${size}`)) as {
      note: unknown;
      verifier_key: unknown;
    };
    if (typeof note !== "string" || typeof verifier_key !== "string")
      throw new FormatError("the API's answer", "is no checkpoint");
    return { note, verifierKey: verifier_key };
  }

  /** Who attested an epoch, by the API's word. */
  async attestations(epoch: bigint): Promise<ServedAttestations> {
    const { header_hash, data } = (await this.#json(
      this.#ofBook(`/api/v1/settlement/epochs/${epoch}/attestations`),
    )) as {
      header_hash: unknown;
      data: unknown;
    };
    if (typeof header_hash !== "string" || !Array.isArray(data))
      throw new Lie("attestations", { epoch }, "the API's answer is malformed");
    const given = (data as { attester: unknown; signature: unknown }[]).map(({ attester, signature }) => ({
      ...{ attester: String(attester), signature: String(signature) },
    }));
    return { headerHash: header_hash, given };
  }

  /** Proof that the log of `to` lines begins with that of `from`. */
  async consistency(from: bigint, to: bigint): Promise<Hex[]> {
    const { proof } = (await this.#json(`/api/v1/log/consistency?from=${from}&to=${to}`)) as {
      proof: unknown;
    };
    return requireHexList(proof, 32, "proof");
  }

  #ofBook(path: string): string {
    return withAsset(path, this.#asset);
  }

  /** @throws Error where it is none, or a node's, or what `fetch` throws */
  async #json(path: string): Promise<unknown> {
    try {
      const body = await jsonOf(`${this.#base}${path}`, this.#bytes(path));
      if (Object(body).jsonrpc === undefined) return body;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
    throw new Error(noAnchorbookAt(this.#base));
  }

  async *#bytes(path: string): AsyncGenerator<Uint8Array> {
    yield* (await this.#ask(path)).pieces;
    this.#hasAnswered = true;
  }

  async #ask(path: string): Promise<Answer> {
    let silences = 0;
    for (let attempt = 1; ; attempt++) {
      const answer = await askServer(this.#base, path, { headers: this.#headers }, this.#answerSeconds).catch(
        (error: unknown) => error as Error,
      );
      if (answer instanceof NoAnswer && (!this.#hasAnswered || ++silences > 1)) throw answer;
      if (answer instanceof NoServer && !answer.isPassing) throw answer;
      if (!(answer instanceof Error) && answer.response.ok) return answer;
      const passing = answer instanceof Error || PASSING.includes(answer.response.status);
      if (passing && attempt < ATTEMPTS) {
        await wait(FIRST_PAUSE_MS * attempt);
        continue;
      }
      if (answer instanceof Error) throw answer;
      throw new Unserved(`${this.#base}${path}`, answer.response.status, await reasonOf(answer));
    }
  }
}

/** The server answered, and not with what was asked for. */
export class Unserved extends Error {
  readonly status: number;
  constructor(url: string, status: number, reason = "") {
    super(`${url} answered ${status}${reason}`);
    this.name = "Unserved";
    this.status = status;
  }

  /** It says that there is no such thing, or that nobody may see it; other answers are of a server in trouble. */
  get isWithheld(): boolean {
    return [401, 403, 404, 410, 451].includes(this.status);
  }
}

/** What the server says of its refusal: one line, since it is shown on a terminal. */
async function reasonOf({ response, pieces }: Answer): Promise<string> {
  try {
    const { message } = (await jsonOf(response.url, pieces)) as { message: unknown };
    return typeof message === "string"
      ? `: ${inCommands(message).replace(/\p{C}/gu, " ").slice(0, MOST_REASON_CHARS)}`
      : "";
  } catch {
    return ", and not as an Anchorbook server does";
  }
}

/** A TypeError is fetch's word for a connection that ended before the answer did. */
function isCutOff(error: unknown): boolean {
  return error instanceof TypeError || error instanceof CutOff;
}

function isBlockNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** As they come: each may be anything. */
interface EpochMembers {
  epoch: unknown;
  status: unknown;
  header: unknown;
  header_hash: unknown;
  journal_size: unknown;
  leaves_changed: unknown;
  closed_at: unknown;
  tx_hash: unknown;
  block_number: unknown;
  finalize_tx_hash: unknown;
}

function readEpoch(item: unknown): ServedHeader {
  const { epoch, status, header, header_hash, ...members } = item as EpochMembers;
  const number = BigInt(epoch as number);
  try {
    const parsed = parseHeader(header);
    if (headerHash(parsed) !== (header_hash as Hex))
      throw new Lie("api_epochs", { epoch: number }, "the API's header has another hash than it says");
    if (parsed.epoch !== number)
      throw new Lie("api_epochs", { epoch: number }, `the API's header is of epoch ${parsed.epoch}`);
    return {
      ...{ epoch: number, status: String(status), header: parsed, headerHash: header_hash as Hex },
      journalSize: members.journal_size,
      leavesChanged: members.leaves_changed,
      closedAt: members.closed_at,
      txHash: (members.tx_hash as string | null) ?? null,
      blockNumber: members.block_number,
      finalizeTxHash: (members.finalize_tx_hash as string | null) ?? null,
    };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new Lie("api_epochs", { epoch: number }, `the API's header is malformed: ${error.message}`);
  }
}

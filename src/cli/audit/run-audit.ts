/** The checks of an audit in their order. The first lie ends it: what follows would rest on it. */
import { Book, type Chain } from "#infra";
import { ApiSource } from "./api-source.ts";
import { type ChainBook, readChainBook, recordOf } from "./chain-source.ts";
import { type AuditCheck, Lie } from "./checks.ts";
import { checkCustody, checkFinalRoots, checkHoldsNothing, checkNetting } from "./custody-checks.ts";
import { checkServedEpochs } from "./epoch-checks.ts";
import { checkContracts, checkHeaderChain } from "./header-checks.ts";
import { replayEpochs } from "./replay.ts";

export interface AuditRequest {
  readonly chain: Chain;
  readonly api: string;
  /** Another than the default one. */
  readonly ledger?: string | undefined;
  /** Pins the contracts; without it the API's word is taken, and said so. */
  readonly registry: string | undefined;
  /** Told of each check as it ends. */
  onCheck(check: AuditCheck): void;
  onProgress(lines: bigint, total: bigint, epoch: bigint): void;
}

export interface Audit {
  readonly valid: boolean;
  readonly epochs: number;
  readonly lines: bigint;
  readonly checks: readonly AuditCheck[];
}

/** @throws Error where the API or the chain cannot be read at all */
export async function runAudit(request: AuditRequest): Promise<Audit> {
  const checks: AuditCheck[] = [];
  const figures = { epochs: 0, lines: 0n };
  const pass = (name: string, detail: string) => {
    checks.push({ name, ok: true, detail });
    request.onCheck({ name, ok: true, detail });
  };
  try {
    await audit(request, pass, figures);
  } catch (error) {
    if (!(error instanceof Lie)) throw error;
    const check = { name: error.check, ok: false, detail: error.message, ...error.place };
    checks.push(check);
    request.onCheck(check);
  }
  return { valid: checks.every(({ ok }) => ok), ...figures, checks };
}

async function audit(
  request: AuditRequest,
  pass: (name: string, detail: string) => void,
  figures: { epochs: number; lines: bigint },
): Promise<void> {
  const api = new ApiSource(request.api, request.ledger);
  const contracts = await api.contracts();
  const registry = request.registry ?? contracts.registry;
  const record = await recordOf(request.chain, registry, contracts.deployedBlock);
  // How far the chain is, then the API, then the chain: what the API claims must be there, what was there it must know.
  const committedBefore = await new Book(request.chain, record).lastCommitted();
  const listed = await api.epochs();
  const book = await readChainBook(request.chain, record);
  const pinned = request.registry ? "pinned" : "unpinned: the API's own word";
  pass("contracts", `${checkContracts(contracts, book)} (${pinned})`);

  const headers = checkHeaderChain(book);
  figures.epochs = headers.length;
  pass("header_chain", `${headers.length} epochs without a gap${finality(book)}`);
  const served = await checkServedEpochs(api, { listed, committedBefore }, headers, book);
  pass("api_epochs", `the API serves the chain's ${headers.length} headers`);

  const total = headers.at(-1)?.journalSize ?? 0n;
  const replayed = await replayEpochs(api, book, headers, served, (lines, epoch) => {
    figures.lines = lines;
    request.onProgress(lines, total, epoch);
  });
  pass("journal", `${replayed.lines} lines replayed from zero; the journal root of every epoch agrees`);
  pass("leaves", `${replayed.leaves} published leaves are those of the journal, and of the data hashes`);
  pass("roots", `every root, sum and count of ${headers.length} epochs recomputed`);

  if (book.tokens) {
    pass("custody", checkCustody(book, book.tokens, headers));
    pass("final_roots", checkFinalRoots(book, book.tokens, headers));
    pass("netting", checkNetting(book, book.tokens, headers));
  } else pass("custody", checkHoldsNothing(headers));
}

function finality({ lastFinal, lastCommitted }: ChainBook): string {
  if (lastCommitted === 0n) return "";
  return lastFinal === lastCommitted ? ", all of them final" : `, ${lastFinal} of them final`;
}

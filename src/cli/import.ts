/** `anchorbook import`: takes a bank's journal into the ledger, through the server. */
import { counted, type DomainError, parseAmount } from "#kernel";
import { connectApi } from "./api-client.ts";
import { type BankTransaction, type LineError, readBankJournal } from "./bank-journal.ts";
import { asUsage, type Command, EXIT_FAILED, EXIT_OK } from "./command.ts";
import { requireInput } from "./files.ts";
import { startProgress } from "./progress.ts";
import { readArgs } from "./read-args.ts";

const HELP = `Usage: anchorbook import FILE [--asset CZK] [--scale 2] [--api URL] [--token TOKEN] [--json]

Imports a bank's journal: semicolon-separated, with a head line that names
trans_id, account_id, date (YYMMDD), type (PRIJEM credit; VYDAJ, VYBER debit),
operation, amount and balance.

  --asset CODE    the asset to book in; made where there is none; default CZK
  --scale N       its decimals; default 2
  --api URL       the server; default ANCHORBOOK_API, else the local one
  --token TOKEN   an operator's token; default ANCHORBOOK_TOKEN, else a development token
  --json          print { lines, imported, skipped, errors: [{ line, reason }] }
  -h, --help      print this

It can be stopped at any moment and started again: what is in the ledger is
skipped. A line that cannot be taken in is reported with its number, the others
are kept. Exit code: 0 all lines are in the ledger, 1 some are not, 2 bad usage.
`;

/** As many as one request takes. */
const SLICE = 500;
/** Requests under way at once; the server writes them together. */
const AT_ONCE = 4;

export interface ImportReport {
  readonly lines: number;
  imported: number;
  skipped: number;
  readonly errors: LineError[];
}

export const importCommand: Command = {
  name: "import",
  summary: "import a bank's journal into the ledger",
  help: HELP,
  async run(args, io) {
    const { file, values } = asUsage(() => readOptions(args));
    await requireInput(file);
    const scale = Number(values.scale);
    const journal = await readBankJournal(file);
    const api = await connectApi(io.env, values);
    const report: ImportReport = {
      lines: journal.lines,
      imported: 0,
      skipped: 0,
      errors: [...journal.errors],
    };
    const good = journal.transactions.filter((transaction) => fitsScale(transaction, scale, report.errors));
    const progress = startProgress(io.stderr, "importing", good.length);
    const started = performance.now();
    await importAll(
      good,
      (slice) => sendSlice(api, values.asset, scale, slice),
      report,
      (done) => progress.update(done),
    );
    report.errors.sort((a, b) => a.line - b.line);
    const seconds = (performance.now() - started) / 1000;
    const rate = Math.round(good.length / Math.max(seconds, 0.001));
    progress.end(`${counted(good.length, "transaction")} in ${seconds.toFixed(1)} s (${rate} a second)`);
    if (values.json) io.stdout.write(`${JSON.stringify(report)}\n`);
    else {
      for (const { line, reason } of report.errors) io.stdout.write(`line ${line}: ${reason}\n`);
      io.stdout.write(
        `${counted(report.lines, "line")}: ${report.imported} imported, ${report.skipped} there already, ${report.errors.length} refused\n`,
      );
    }
    return report.errors.length === 0 ? EXIT_OK : EXIT_FAILED;
  },
};

type SliceAnswer = { imported: number; skipped: number; errors: LineError[] };

/** A few slices at a time, in the order of the file. */
async function importAll(
  transactions: readonly BankTransaction[],
  sendOne: (slice: readonly BankTransaction[]) => Promise<SliceAnswer>,
  report: ImportReport,
  onProgress: (done: number) => void,
): Promise<void> {
  let next = 0;
  let done = 0;
  const work = async () => {
    while (next < transactions.length) {
      const slice = transactions.slice(next, next + SLICE);
      next += SLICE;
      const answer = await sendOne(slice);
      report.imported += answer.imported;
      report.skipped += answer.skipped;
      report.errors.push(...answer.errors);
      done += slice.length;
      onProgress(done);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

function sendSlice(
  api: { post<T>(path: string, body: unknown): Promise<T> },
  asset: string,
  scale: number,
  slice: readonly BankTransaction[],
): Promise<SliceAnswer> {
  const entries = slice.map(({ balance: _, ...entry }) => entry);
  return api.post<SliceAnswer>("/api/v1/admin/imports", { asset, scale, entries });
}

/** One bad amount would have the server refuse its whole slice. */
function fitsScale(transaction: BankTransaction, scale: number, errors: LineError[]): boolean {
  try {
    parseAmount(transaction.amount, scale);
    return true;
  } catch (error) {
    errors.push({ line: transaction.line, reason: (error as DomainError).message });
    return false;
  }
}

function readOptions(args: readonly string[]) {
  const { values, positionals } = readArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      asset: { type: "string", default: "CZK" },
      scale: { type: "string", default: "2" },
      api: { type: "string" },
      token: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  const [file, ...others] = positionals;
  if (file === undefined || others.length > 0) throw new Error("name one FILE");
  if (!/^\d{1,2}$/.test(values.scale))
    throw new Error(`--scale "${values.scale}" must be a number of decimals`);
  return { file, values };
}

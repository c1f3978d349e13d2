/**
 * `anchorbook reconcile`: compares the ledger with the balances that a bank's
 * journal states. Transactions within a day are in no order, so an account-day
 * agrees where the ledger's end-of-day balance is within the tolerance of one of
 * that day's stated balances.
 */
import { type Amount, counted, formatAmount, parseAmount } from "#kernel";
import { type ApiClient, connectApi } from "./api-client.ts";
import { type BankTransaction, readBankJournal } from "./bank-journal.ts";
import { asUsage, type Command, EXIT_FAILED, EXIT_OK } from "./command.ts";
import { requireInput } from "./files.ts";
import { startProgress } from "./progress.ts";
import { readArgs } from "./read-args.ts";

const HELP = `Usage: anchorbook reconcile FILE [--tolerance 0.50] [--asset CZK] [--api URL] [--token TOKEN] [--json]

Compares the ledger's end-of-day balances with those that the journal FILE states
(the form is that of "anchorbook import"), and lists each account-day that differs.

  --tolerance N   how far a balance may be off, in whole units; default 0.50,
                  because publishers round amounts
  --asset CODE    the asset the journal was imported into; default CZK
  --api URL       the server; default ANCHORBOOK_API, else the local one
  --token TOKEN   an operator's or auditor's token; default as for import
  --json          print { account_days, agree, differ: [{ account, date, statement, ledger }] }
  -h, --help      print this

Exit code: 0 all agree, 1 some differ, 2 bad usage.
`;

/** Decimals in which balances are compared; stated balances have at most so many. */
const COMPARE_SCALE = 18;
const ACCOUNTS_A_REQUEST = 200;

export interface Difference {
  readonly account: string;
  readonly date: string;
  /** The stated balance nearest to the ledger's. */
  readonly statement: string;
  /** Null where the ledger has nothing of that account up to that day. */
  readonly ledger: string | null;
}

export interface Reconciliation {
  account_days: number;
  agree: number;
  readonly differ: Difference[];
}

export const reconcileCommand: Command = {
  name: "reconcile",
  summary: "compare the ledger with the balances a bank's journal states",
  help: HELP,
  async run(args, io) {
    const { file, values, tolerance } = asUsage(() => readOptions(args));
    await requireInput(file);
    const journal = await readBankJournal(file);
    for (const { line, reason } of journal.errors) io.stderr.write(`line ${line} is left out: ${reason}\n`);
    const statements = statedBalances(journal.transactions);
    const api = await connectApi(io.env, values);
    const progress = startProgress(io.stderr, "comparing accounts", statements.size);
    const result = await compare(api, values.asset, statements, tolerance, (done) => progress.update(done));
    progress.end(`${counted(statements.size, "account")} compared`);
    if (values.json) io.stdout.write(`${JSON.stringify(result)}\n`);
    else {
      for (const { account, date, statement, ledger } of result.differ)
        io.stdout.write(
          `account ${account}, ${date}: statement ${statement}, ledger ${ledger ?? "nothing"}\n`,
        );
      io.stdout.write(
        `${counted(result.account_days, "account-day")}: ${result.agree} agree, ${result.differ.length} differ\n`,
      );
    }
    return result.differ.length === 0 ? EXIT_OK : EXIT_FAILED;
  },
};

function readOptions(args: readonly string[]) {
  const { values, positionals } = readArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      tolerance: { type: "string", default: "0.50" },
      asset: { type: "string", default: "CZK" },
      api: { type: "string" },
      token: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  const [file, ...others] = positionals;
  if (file === undefined || others.length > 0) throw new Error("name one FILE");
  return { file, values, tolerance: parseAmount(values.tolerance, COMPARE_SCALE, "--tolerance") };
}

/** By account, by date: the balances stated after that day's transactions. */
type Statements = Map<string, Map<string, Amount[]>>;

function statedBalances(transactions: readonly BankTransaction[]): Statements {
  const statements: Statements = new Map();
  for (const { account, date, balance } of transactions) {
    const days = statements.get(account) ?? new Map<string, Amount[]>();
    statements.set(account, days);
    days.set(date, [...(days.get(date) ?? []), signedAmount(balance)]);
  }
  return statements;
}

interface LedgerDays {
  readonly accounts: {
    readonly account: string;
    readonly days: { readonly date: string; readonly balance: string }[];
  }[];
}

async function compare(
  api: ApiClient,
  asset: string,
  statements: Statements,
  tolerance: Amount,
  onProgress: (done: number) => void,
): Promise<Reconciliation> {
  const result: Reconciliation = { account_days: 0, agree: 0, differ: [] };
  const names = [...statements.keys()].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  for (let from = 0; from < names.length; from += ACCOUNTS_A_REQUEST) {
    const accounts = names.slice(from, from + ACCOUNTS_A_REQUEST);
    const answer = await api.post<LedgerDays>("/api/v1/admin/imports/balances", { asset, accounts });
    const ledger = new Map(answer.accounts.map(({ account, days }) => [account, days]));
    for (const account of accounts) {
      compareAccount(
        account,
        statements.get(account) ?? new Map(),
        ledger.get(account) ?? [],
        tolerance,
        result,
      );
    }
    onProgress(from + accounts.length);
  }
  return result;
}

function compareAccount(
  account: string,
  stated: ReadonlyMap<string, readonly Amount[]>,
  days: readonly { readonly date: string; readonly balance: string }[],
  tolerance: Amount,
  result: Reconciliation,
): void {
  const dates = [...stated.keys()].sort();
  let place = 0;
  let balance: Amount | null = null;
  for (const date of dates) {
    // The ledger lists the days that moved the account; its balance stands until the next of them.
    for (let next = days[place]; next && next.date <= date; next = days[++place])
      balance = signedAmount(next.balance);
    const distance = (value: Amount) => magnitude(value - (balance ?? 0n));
    const nearest = (stated.get(date) ?? []).reduce((a, b) => (distance(b) < distance(a) ? b : a));
    result.account_days++;
    if (balance !== null && distance(nearest) <= tolerance) result.agree++;
    else {
      const ledger = balance === null ? null : formatAmount(balance, COMPARE_SCALE);
      result.differ.push({ account, date, statement: formatAmount(nearest, COMPARE_SCALE), ledger });
    }
  }
}

function signedAmount(text: string): Amount {
  return text.startsWith("-") ? -parseAmount(text.slice(1), COMPARE_SCALE) : parseAmount(text, COMPARE_SCALE);
}

function magnitude(value: Amount): Amount {
  return value < 0n ? -value : value;
}

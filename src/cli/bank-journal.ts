/**
 * Reads a bank's journal: semicolon-separated text with a head line, of the form
 * of the Czech bank data of the PKDD'99 discovery challenge. PRIJEM is a credit
 * of the account, VYDAJ and VYBER are debits, `balance` is the account's balance
 * after the transaction, `date` is YYMMDD in the 20th century. A line that cannot
 * be read becomes an error with its number; the others are kept.
 */
import { createReadStream } from "node:fs";
import { type CsvError, parse } from "csv-parse";

export interface BankTransaction {
  /** 1 is the head line. */
  readonly line: number;
  readonly id: string;
  readonly account: string;
  /** "1993-01-31" */
  readonly date: string;
  readonly direction: "credit" | "debit";
  /** Whole units as decimal text, as they stand in the file. */
  readonly amount: string;
  readonly balance: string;
  readonly code: string;
}

export interface LineError {
  readonly line: number;
  readonly reason: string;
}

export interface BankJournal {
  /** Lines of data, good and bad. */
  readonly lines: number;
  readonly transactions: BankTransaction[];
  readonly errors: LineError[];
}

const COLUMNS = ["trans_id", "account_id", "date", "type", "operation", "amount", "balance"] as const;
type Column = (typeof COLUMNS)[number];

const DIRECTIONS: Readonly<Record<string, "credit" | "debit">> = {
  PRIJEM: "credit",
  VYDAJ: "debit",
  VYBER: "debit",
};

/** @throws Error where the file cannot be read or its head line lacks a column */
export async function readBankJournal(file: string): Promise<BankJournal> {
  const transactions: BankTransaction[] = [];
  const errors: LineError[] = [];
  const source = createReadStream(file);
  const parser = source.pipe(
    parse({
      delimiter: ";",
      bom: true,
      info: true,
      skip_empty_lines: true,
      relax_column_count: true,
      skip_records_with_error: true,
      on_skip: (error: CsvError | undefined) => {
        errors.push({ line: Number(error?.lines ?? 0), reason: error?.message ?? "cannot be read as CSV" });
      },
    }),
  );
  source.once("error", (error) => parser.destroy(error));
  let places: Readonly<Record<Column, number>> | null = null;
  let lines = 0;
  for await (const { record, info } of parser as AsyncIterable<{
    record: string[];
    info: { lines: number };
  }>) {
    if (!places) {
      places = readHead(record, file);
      continue;
    }
    lines++;
    const read = readTransaction(record, places, info.lines);
    if ("reason" in read) errors.push(read);
    else transactions.push(read);
  }
  if (!places) throw new Error(`${file} is empty: a head line with ${COLUMNS.join(", ")} is needed`);
  return { lines: lines + errors.filter(({ line }) => !line).length, transactions, errors };
}

function readHead(record: readonly string[], file: string): Readonly<Record<Column, number>> {
  const missing = COLUMNS.filter((column) => !record.includes(column));
  if (missing.length > 0)
    throw new Error(
      missing.length === COLUMNS.length
        ? `${file} is no bank journal: its first line must name ${COLUMNS.join(", ")}, separated by semicolons`
        : `${file} has no column ${missing.join(", ")}; its first line must name ${COLUMNS.join(", ")}`,
    );
  return Object.fromEntries(COLUMNS.map((column) => [column, record.indexOf(column)])) as Record<
    Column,
    number
  >;
}

function readTransaction(
  record: readonly string[],
  places: Readonly<Record<Column, number>>,
  line: number,
): BankTransaction | LineError {
  const value = (column: Column) => (record[places[column]] ?? "").trim();
  const bad = (column: Column, reason: string) => ({
    line,
    reason: `${column} "${value(column)}" ${reason}`,
  });
  if (record.length <= Math.max(...Object.values(places)))
    return { line, reason: `has ${record.length} columns, not all that the head line names` };
  for (const column of ["trans_id", "account_id"] as const)
    if (!/^[\w.:-]{1,64}$/.test(value(column))) return bad(column, "is not an id");
  const date = readDate(value("date"));
  if (!date) return bad("date", "is not a date YYMMDD");
  const direction = DIRECTIONS[value("type")];
  if (!direction) return bad("type", `is none of ${Object.keys(DIRECTIONS).join(", ")}`);
  if (!/^\d{1,20}(\.\d+)?$/.test(value("amount"))) return bad("amount", "is not a decimal number");
  if (!/^-?\d{1,20}(\.\d+)?$/.test(value("balance"))) return bad("balance", "is not a decimal number");
  const code = value("operation")
    .replace(/[^A-Za-z0-9]+/g, "_")
    .slice(0, 64);
  return {
    line,
    id: value("trans_id"),
    account: value("account_id"),
    date,
    direction,
    amount: value("amount"),
    balance: value("balance"),
    code: code === "" ? "import" : code,
  };
}

function readDate(text: string): string | null {
  const match = /^(\d\d)(\d\d)(\d\d)$/.exec(text);
  if (!match) return null;
  const date = `19${match[1]}-${match[2]}-${match[3]}`;
  // A day that the month does not have is another date, or none.
  const time = Date.parse(`${date}T00:00:00Z`);
  return Number.isNaN(time) || new Date(time).toISOString().slice(0, 10) !== date ? null : date;
}

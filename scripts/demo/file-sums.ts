/**
 * A second opinion on a bank's journal from the file alone: adds up its amounts
 * by hand, with no code of the ledger's, and lists the account-days whose stated
 * balances its own amounts contradict. A ledger that took the file in rightly
 * differs from the statements there, and nowhere else.
 */
import { readFileSync } from "node:fs";

export interface FileSums {
  /** Account-days with a transaction. */
  readonly accountDays: number;
  /** By "account date": the sum of all amounts up to the end of that day, in cents. */
  readonly contradicted: ReadonlyMap<string, bigint>;
}

interface Day {
  moved: bigint;
  readonly stated: bigint[];
}

/** The publisher's amounts are rounded; statements within half a unit agree. */
const TOLERANCE_CENTS = 50n;

/** Lines that are not of the form are passed over here too; the import reports them. */
export function sumFile(file: string): FileSums {
  const [head = "", ...lines] = readFileSync(file, "utf8")
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/);
  const names = fields(head);
  const place = (name: string) => names.indexOf(name);
  const [account, date, type, amount, balance] = ["account_id", "date", "type", "amount", "balance"].map(
    place,
  );
  const accounts = new Map<string, Map<string, Day>>();
  for (const line of lines) {
    const values = fields(line);
    const value = (index: number | undefined) => values[index ?? -1] ?? "";
    const [moved, stated] = [cents(value(amount)), cents(value(balance))];
    const sign = { PRIJEM: 1n, VYDAJ: -1n, VYBER: -1n }[value(type)];
    if (moved === null || stated === null || sign === undefined || !/^\d{6}$/.test(value(date))) continue;
    const days = accounts.get(value(account)) ?? new Map<string, Day>();
    accounts.set(value(account), days);
    const day = days.get(value(date)) ?? { moved: 0n, stated: [] };
    days.set(value(date), day);
    day.moved += sign * moved;
    day.stated.push(stated);
  }
  return compare(accounts);
}

function compare(accounts: ReadonlyMap<string, ReadonlyMap<string, Day>>): FileSums {
  const contradicted = new Map<string, bigint>();
  let accountDays = 0;
  for (const [account, days] of accounts) {
    let sum = 0n;
    for (const [date, { moved, stated }] of [...days].sort(([a], [b]) => (a < b ? -1 : 1))) {
      sum += moved;
      accountDays += 1;
      const agrees = stated.some((balance) => {
        const distance = balance - sum;
        return distance <= TOLERANCE_CENTS && distance >= -TOLERANCE_CENTS;
      });
      if (!agrees) contradicted.set(`${account} ${isoDate(date)}`, sum);
    }
  }
  return { accountDays, contradicted };
}

/** Quotes stand around whole fields only in this form, and no field holds a semicolon. */
function fields(line: string): string[] {
  return line.split(";").map((field) => field.trim().replace(/^"(.*)"$/, "$1"));
}

function cents(text: string): bigint | null {
  const match = /^(-?)(\d+)(?:\.(\d{1,2}))?$/.exec(text);
  if (!match) return null;
  const magnitude = BigInt(`${match[2]}${(match[3] ?? "").padEnd(2, "0")}`);
  return match[1] === "-" ? -magnitude : magnitude;
}

function isoDate(text: string): string {
  return `19${text.slice(0, 2)}-${text.slice(2, 4)}-${text.slice(4, 6)}`;
}

/** "-12.5" → -1250n */
export function parseCents(text: string): bigint {
  const value = cents(text);
  if (value === null) throw new Error(`"${text}" is not an amount of whole cents`);
  return value;
}

/**
 * Whether the clearing accounts of two ledgers mirror each other: what one sent
 * is what the other credited. The two are read one after the other, while both go
 * on, so the sent amounts are read before and after the credited ones: no healthy
 * pair of ledgers ever credited less than was posted before, nor more than was
 * posted or held after. With nothing under way that is exact.
 */
import type { DataSource } from "typeorm";
import type { Amount } from "#kernel";
import { sqlText } from "./tables.ts";

const READ_CLEARING = sqlText("read-clearing");

/** Of one clearing account, in its asset's base units. */
export interface ClearingBalance {
  /** Who the other ledger is. */
  readonly ledgerId: string;
  readonly asset: string;
  readonly scale: number;
  /** Posted: the other ledger has credited it. */
  readonly sent: Amount;
  /** Held: it decides, or will. */
  readonly pending: Amount;
  /** Credited here. */
  readonly received: Amount;
}

export interface ClearingRead extends ClearingBalance {
  /** What the other ledger credited of what was sent to it; null where it is not open here. */
  readonly credited: Amount | null;
  /** 0, or the books of the two contradict each other: above it they credited more than was sent, below it less. */
  readonly difference: Amount | null;
}

export async function readClearing(database: DataSource): Promise<ClearingBalance[]> {
  const rows: Record<string, unknown>[] = await database.query(READ_CLEARING);
  return rows.map((row) => ({
    ledgerId: row.ledger_id as string,
    asset: row.asset as string,
    scale: row.scale as number,
    sent: row.sent as bigint,
    pending: row.pending as bigint,
    received: row.received as bigint,
  }));
}

/** Every ledger that something was sent to or came from. */
export async function compareClearing(
  ownId: string,
  readOwn: () => Promise<ClearingBalance[]>,
  /** Null where it is not open here. */
  readOther: (ledgerId: string) => Promise<ClearingBalance[]> | null,
  otherIds: readonly string[],
): Promise<ClearingRead[]> {
  const before = await readOwn();
  const others = new Map<string, ClearingBalance[]>();
  for (const id of new Set([...otherIds, ...before.map(({ ledgerId }) => ledgerId)])) {
    const read = await readOther(id);
    if (read)
      others.set(
        id,
        read.filter(({ ledgerId }) => ledgerId === ownId),
      );
  }
  const after = await readOwn();
  const known = new Set(after.map(keyOf));
  // What another ledger credited from here without this one knowing of it at all.
  const strange = [...others].flatMap(([ledgerId, balances]) =>
    balances
      .filter(({ asset }) => !known.has(keyOf({ ledgerId, asset })))
      .map(({ asset, scale }) => ({ ledgerId, asset, scale, sent: 0n, pending: 0n, received: 0n })),
  );
  return [...after, ...strange].map((balance) => {
    const other = others.get(balance.ledgerId);
    if (!other) return { ...balance, credited: null, difference: null };
    const credited = other.find(({ asset }) => asset === balance.asset)?.received ?? 0n;
    const least = before.find((one) => keyOf(one) === keyOf(balance))?.sent ?? 0n;
    return { ...balance, credited, difference: outside(credited, least, balance.sent + balance.pending) };
  });
}

function keyOf({ ledgerId, asset }: Pick<ClearingBalance, "ledgerId" | "asset">): string {
  return `${ledgerId} ${asset}`;
}

function outside(value: Amount, least: Amount, most: Amount): Amount {
  if (value < least) return value - least;
  return value > most ? value - most : 0n;
}

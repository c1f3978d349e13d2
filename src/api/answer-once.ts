/**
 * Keeps the answer of work that is no unit of the ledger (a settlement run, a new ledger) under its idempotency key. The
 * work is done before its answer is kept: cut off between the two, it is done again, so it must bear that.
 */
import { DomainError } from "#kernel";
import type { Idempotency, Json, Ledger } from "#ledger";
import { type Reply, reply } from "./reply.ts";

/**
 * @param name of the work, for the ledger's figures
 * @throws DomainError `idempotency_key_reused`, and what `work` throws
 */
export async function answerOnce<T extends Json>(
  ledger: Pick<Ledger, "submit">,
  idempotency: Idempotency | undefined,
  name: string,
  work: () => Promise<T>,
): Promise<Reply<T>> {
  if (!idempotency) return reply(await work());
  const kept = await keptAnswer<T>(ledger, idempotency, name);
  if (kept !== null) return reply(kept, { replayed: true });
  const answer = await work();
  const { value, replayed } = await ledger.submit({ name, idempotency, decide: () => answer });
  return reply(value, { replayed });
}

/** Null where there is none: a unit that fails so leaves no record. */
async function keptAnswer<T extends Json>(
  ledger: Pick<Ledger, "submit">,
  idempotency: Idempotency,
  name: string,
): Promise<T | null> {
  const nothingKept = new DomainError("in_progress", "Nothing is kept under this key");
  try {
    const decide = () => {
      throw nothingKept;
    };
    return (await ledger.submit<T>({ name: `${name}.replay`, idempotency, decide })).value;
  } catch (error) {
    if (error instanceof DomainError && error.code === nothingKept.code) return null;
    throw error;
  }
}

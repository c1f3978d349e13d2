/** The routes that list and make ledgers: of the server, whichever ledger they are asked in. */
import { ledgerAdminRoutes, type Route } from "#api";
import { createLedger, LedgerRefused } from "#create-ledger";
import type { DevStack } from "#devstack";
import type { Log } from "#infra";
import { DomainError } from "#kernel";
import type { Ledger } from "#ledger";
import { type RegisteredLedger, registeredLedgers } from "./ledger-registry.ts";

export interface LedgerAdminParts {
  readonly stack: Pick<DevStack, "databaseUrl" | "databaseOwnerUrl">;
  readonly log: Log;
  readonly others: {
    /** Opens it where this server does not serve it yet. */
    find(name: string): Promise<unknown>;
  };
}

/** @param asked the ledger that is asked keeps the answers */
export function adminRoutes(parts: LedgerAdminParts, asked: Pick<Ledger, "submit">): Route[] {
  return ledgerAdminRoutes({
    ledger: asked,
    list: () => registeredLedgers(parts.stack.databaseUrl),
    async create(name) {
      const ledger = await madeOrThere(parts, name);
      await parts.others.find(name);
      return ledger;
    },
  });
}

/**
 * Of two that ask at once, the second is told of what the first made.
 * @throws DomainError `unavailable` where this server has no owner of tables, `invalid_request` where the name is refused
 */
async function madeOrThere({ stack, log }: LedgerAdminParts, name: string): Promise<RegisteredLedger> {
  const { databaseUrl: appUrl, databaseOwnerUrl: ownerUrl } = stack;
  if (!ownerUrl)
    throw new DomainError(
      "unavailable",
      'This server has no DATABASE_OWNER_URL; run "anchorbook ledger create NAME" where it is set',
    );
  try {
    return await createLedger({ name, ownerUrl, appUrl }, log);
  } catch (error) {
    if (!(error instanceof LedgerRefused)) throw error;
    const known = (await registeredLedgers(ownerUrl)).find((ledger) => ledger.name === name);
    if (known?.state === "open") return known;
    throw new DomainError("invalid_request", error.message, { details: { member: "name" } });
  }
}

/** Which book a request is about: each asset has one registry on its home chain, and TST's is meant where nothing is said. */
import { z } from "zod";
import { DomainError } from "#kernel";
import type { Settlement } from "#settlement";

export interface SettlementBooks {
  /** The one that is meant where no asset is named. */
  readonly settlement: Settlement;
  /** Others of the ledger, by asset. */
  readonly books?: ReadonlyMap<string, { readonly settlement: Settlement }> | undefined;
}

export interface BookRoutesDeps {
  readonly settlement: Settlement;
  /** Where its chain may be asked by anybody; null keeps it to ourselves. */
  readonly publicRpcUrl: string | null;
}

/**
 * An epoch waits for blocks; on a slow chain that takes its time, and others wait for it. Whoever asks hears of it: many clients
 * wait 300 seconds and no longer.
 */
export const RUN_TIMEOUT_MS = 280_000;

/** Query member of routes that are about one book. */
export const assetQuery = {
  asset: z
    .string()
    .regex(/^[A-Z][A-Z0-9]{0,15}$/, { error: "must be an asset's code" })
    .optional()
    .meta({ description: "The asset whose book is meant; TST's where left out." }),
};

/** @throws DomainError `not_found` where the asset has no book */
export function settlementOf({ settlement, books }: SettlementBooks, asset: string | undefined): Settlement {
  if (asset === undefined || asset === settlement.asset) return settlement;
  const book = books?.get(asset);
  if (!book)
    throw new DomainError(
      "not_found",
      `No book of ${asset} settles here; where BOOKS_FILE has one, /readyz says why`,
    );
  return book.settlement;
}

/** For which asset a request about wallets is: each has a book of its own, whose wallets sign for it alone. */
import { DomainError } from "#kernel";
import type { Wallets } from "#wallets";

export interface WalletBooks {
  /** Of the asset that is meant where none is named. */
  readonly wallets: Wallets;
  /** Of others with a token, by asset. */
  readonly others?: ReadonlyMap<string, Wallets> | undefined;
}

/** @throws DomainError `not_found` where the asset has no tokens on a chain */
export function walletsFor({ wallets, others }: WalletBooks, asset: string | undefined): Wallets {
  if (asset === undefined || asset === wallets.asset) return wallets;
  const found = others?.get(asset);
  if (!found)
    throw new DomainError("not_found", `${asset} has no tokens on a chain here`, { details: { asset } });
  return found;
}

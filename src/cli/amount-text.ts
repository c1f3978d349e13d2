/** Amounts for a person to read: whole units, and behind them the base units that everything is counted in. */
import { type Chain, contractAt } from "#infra";
import { formatAmount } from "#kernel";

export interface TokenUnit {
  /** The token's symbol: the asset's code in the journal. */
  readonly asset: string;
  readonly decimals: number;
}

/** By the token's own word. */
export async function readUnit(chain: Chain, token: string): Promise<TokenUnit> {
  const contract = contractAt(chain, "TST", token);
  const asset = (await contract.getFunction("symbol")()) as string;
  return { asset, decimals: Number((await contract.getFunction("decimals")()) as bigint) };
}

export function amountText(amount: bigint, { asset, decimals }: TokenUnit): string {
  return `${formatAmount(amount, decimals)} ${asset} (${amount} base units)`;
}

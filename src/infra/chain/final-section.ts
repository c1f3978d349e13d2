/** What a custodian keeps of a section in one word. The formula is that of `contracts/libraries/FinalSection.sol`. */
import { concat, dataSlice, keccak256, toBeHex } from "ethers";
import { type ChainSection, type HexText, lowerHex } from "./header-codec.ts";

export interface FinalSection {
  /** The first 28 bytes of keccak256(root ‖ sum), 32 bytes each, in lower case. */
  readonly fingerprint: HexText;
  readonly count: bigint;
}

/** What a custodian answers before the first final epoch. */
export const NO_FINAL_SECTION: FinalSection = { fingerprint: `0x${"00".repeat(28)}`, count: 0n };

/** What the custodian of a section with this root, sum and count answers once it is final. */
export function finalSectionOf({ root, sum, count }: ChainSection): FinalSection {
  const hash = keccak256(concat([root, toBeHex(sum, 32)]));
  return { fingerprint: lowerHex(dataSlice(hash, 0, 28)), count };
}

/** As of which block a wallet's contract is asked: of none that an auditor would call old. */
import { expect, it } from "vitest";
import { blockForWallets } from "#settlement";

const NOW_MS = 1_800_000_000_000;
const NOW = 1_800_000_000;

it("asks wallets as of the newest final block, while 64 blocks above it are less than 45 minutes old", () => {
  const status = { finalBlock: 7, completeTime: NOW - 2_700, lookedAtMs: NOW_MS - 299_999 };
  expect(blockForWallets(status, NOW_MS)).toBe(7);
  // The chain's finality stands still: what a wallet said then, auditors would not take.
  expect(blockForWallets({ ...status, completeTime: NOW - 2_701 }, NOW_MS)).toBeNull();
  expect(blockForWallets({ ...status, lookedAtMs: NOW_MS - 300_000 }, NOW_MS)).toBeNull();
  expect(blockForWallets({ ...status, completeTime: 0 }, NOW_MS)).toBeNull();
  expect(blockForWallets(null, NOW_MS)).toBeNull();
});

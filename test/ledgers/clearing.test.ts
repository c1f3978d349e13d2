/** What two ledgers say of each other while both go on: what is read at three moments may be as far apart as they are, and no further. */
import { expect, test } from "vitest";
import { type ClearingBalance, compareClearing } from "../../src/inter-ledger/clearing.ts";

const balance = (ledgerId: string, sums: Partial<ClearingBalance>): ClearingBalance => ({
  ...{ ledgerId, asset: "USD", scale: 2, sent: 0n, pending: 0n, received: 0n },
  ...sums,
});

/** @param own before and after the other one was asked */
async function differenceOf(own: readonly [ClearingBalance[], ClearingBalance[]], credited: bigint) {
  const reads = [...own];
  const compared = await compareClearing(
    "us",
    async () => reads.shift() ?? [],
    async () => [balance("us", { received: credited }), balance("somebody else", { received: 1_000n })],
    ["them"],
  );
  expect(compared).toHaveLength(1);
  return compared[0]?.difference;
}
const them = (sums: Partial<ClearingBalance>) => [balance("them", sums)];

test("what was posted here between the two looks need not have been credited when the other ledger was asked", async () => {
  const own = [them({ sent: 3n, pending: 7n }), them({ sent: 10n })] as const;
  expect(await differenceOf(own, 3n)).toBe(0n);
  expect(await differenceOf(own, 10n)).toBe(0n);
  expect(await differenceOf(own, 2n)).toBe(-1n);
  expect(await differenceOf(own, 11n)).toBe(1n);
});

test("what is held here by the second look may have been credited before, though it was not here at the first", async () => {
  const own = [them({ sent: 3n }), them({ sent: 3n, pending: 7n })] as const;
  expect(await differenceOf(own, 10n)).toBe(0n);
  expect(await differenceOf(own, 11n)).toBe(1n);
});

test("what another ledger credited from here, and nobody sent, is found", async () => {
  expect(await differenceOf([[], []], 5n)).toBe(5n);
});

/** Attesters of a book that does not go on: after a veto for a while, after a freeze for ever. */
import type { Wallet } from "ethers";
import { afterAll, expect, it } from "vitest";
import { contractArtifact } from "#infra";
import { freezeBook } from "../support/committed-locks.ts";
import { startLyingApi } from "../support/lying-proxy.ts";
import { createAttestWorld, epochsOf, until } from "./attest-world.ts";
import { createParties, passTime, sendAs } from "./attesters.ts";
import { cli } from "./audit-world.ts";

const parties = createParties({ windowSeconds: 3_600, attesters: 3, threshold: 2 });
const [first, second, third] = parties.attesters as [Wallet, Wallet, Wallet];

const { world, watched, contracts, attest, ofAttester, settleMore, close } = await createAttestWorld(parties);
afterAll(close);

it("says once that a veto stops the book, and once that it goes on, however long it runs", async () => {
  let rounds = 0;
  let lying = false;
  const proxy = await startLyingApi(world.api.url, (path, body) => {
    if (path.includes("/settlement/contracts")) rounds++;
    return lying && path.includes("/leaves") ? "" : body;
  });
  const roundsMore = async () => {
    const now = rounds;
    await until(async () => rounds > now + 3);
  };
  try {
    const epoch = await settleMore();
    const args = ["attest", ...ofAttester(second), "--api", proxy.url, "--follow", "--every", "1"];
    const ended = cli(...args);
    await roundsMore();
    const { headerHash } = (await world.settlement.epoch(epoch)) ?? {};
    const veto = contractArtifact("SettlementRegistry").abi.encodeFunctionData("veto", [epoch, headerHash]);
    await sendAs(world, parties.guardian, world.record.registry, veto);
    await world.settlement.advance();
    await roundsMore();
    await passTime(world, 1);
    await world.settlement.release();
    expect(await settleMore()).toBe(epoch);
    await roundsMore();
    lying = true;
    await settleMore();
    const { out } = await ended;
    expect(out.match(/^the book .*$/gm)).toEqual([
      expect.stringMatching(new RegExp(`^the book does not go on: epoch ${epoch} was vetoed in block `)),
      "the book goes on again",
    ]);
  } finally {
    await proxy.close();
  }
});

it("signs nothing and waits for no window in a book that is frozen, which is nobody's lie", async () => {
  const epoch = await settleMore();
  expect(epochsOf(await attest(first))).toContain(epoch);
  const before = await contracts.lastFinal();
  await freezeBook(world.chain, world.record);
  const frozenIn = await world.chain.provider.getBlockNumber();
  // The server has not seen it so far.
  const early = await attest(first, "--finalize");
  expect(early).toMatchObject({ code: 1, signed: [], checks: [] });
  expect(early.err).toContain(
    `is committed, but it was cancelled by a freeze in block ${frozenIn}: the server is behind the chain, as it may be before block ${frozenIn + 64}. Try again in a minute, or run with --follow`,
  );
  // Its window is over: were it not for the freeze, it would be made final.
  await passTime(world, 3_601);
  const later = await watched.open({ watching: watched.watching({ finality: 64 }) });
  await later.watcher?.look();
  expect(await later.epoch(epoch)).toMatchObject({ status: "committed" });
  await expect(later.run()).rejects.toThrow(
    `the book is frozen on-chain at epoch ${before}: nothing settles`,
  );
  await later.advance();
  await later.stop();
  await watched.watcher.look();
  for (let time = 0; time < 2; time++) await world.settlement.advance();
  expect(await world.settlement.epoch(epoch)).toMatchObject({ status: "cancelled" });
  const why = /^the book is frozen since .*: no other epoch becomes final$/;
  // Also for who begins anew.
  const found = [await attest(first, "--finalize"), await attest(third, "--finalize")];
  for (const answer of found)
    expect(answer).toMatchObject({
      ...{ code: 0, valid: true, signed: [], finalized: [], not_final: null },
      stopped: expect.stringMatching(why),
    });
  const { code, out } = await cli("attest", "--finalize", "--api", world.api.url, ...ofAttester(first));
  expect([code, out.includes("not final yet")]).toEqual([0, false]);
  expect(out).toMatch(/\nnothing to sign\nthe book does not go on: the book is frozen since .*\n$/);
  expect(await world.audit()).toMatchObject({ code: 0, valid: true, stopped: expect.stringMatching(why) });
  expect(await contracts.lastFinal()).toBe(before);
});

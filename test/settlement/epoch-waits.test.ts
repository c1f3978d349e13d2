/** What an epoch waits for until it is final, as a person is told it. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { settlementRoutes } from "#api";
import { connectChain } from "#infra";
import type { Settlement } from "#settlement";
import { startApi, type TestApi } from "../support/api-app.ts";
import { TEST_JWT_SECRET } from "../support/tokens.ts";
import { attest, createParties, passTime } from "./attesters.ts";
import { cliWith } from "./audit-world.ts";
import { startMoodyNode } from "./moody-node.ts";
import { createWatchWorld, type WatchWorld } from "./watch-world.ts";
import { TST } from "./world.ts";

const WINDOW_SECONDS = 3_600;
const DEPTH = 5;
const parties = createParties({ windowSeconds: WINDOW_SECONDS, attesters: 3, threshold: 2 });

let world: WatchWorld;
let settlement: Settlement;
let api: TestApi;

beforeAll(async () => {
  world = await createWatchWorld(undefined, {}, parties.deploy);
  settlement = await world.open({ finalityDepth: DEPTH, watching: world.watching() });
  api = await startApi(
    settlementRoutes({
      ...{ settlement, ledger: world.ledger, publicRpcUrl: null },
      findPosition: async () => null,
    }),
  );
});
afterAll(async () => {
  await api?.close();
  await settlement?.stop();
  await world?.close();
});

const called = async (...args: string[]) =>
  (await cliWith({ JWT_SECRET: TEST_JWT_SECRET, ANCHORBOOK_API: api.url }, "settle", ...args)).out;
const settle = async () => (await called()).split("\n");
const settleJson = async () => JSON.parse(await called("--json")) as Record<string, unknown>;
const shown = async (epoch: number) =>
  (await (await fetch(`${api.url}/api/v1/settlement/epochs/${epoch}`)).json()) as Record<string, unknown>;
const head = async () =>
  (await world.chain.provider.getBlock("latest")) as { number: number; timestamp: number };
const mine = (blocks: number) => world.chain.provider.send("anvil_mine", [`0x${blocks.toString(16)}`]);

it("is its window, its signatures, and then the blocks on top of its finalize", async () => {
  await world.grant("user_a", TST);
  const [first, waits] = await settle();
  const { timestamp } = await head();
  const until = new Date((timestamp + WINDOW_SECONDS) * 1_000).toISOString().replace(".000Z", "Z");
  expect(first).toMatch(/^committed: epoch 1, /);
  expect(waits).toBe(
    `not final yet: its window until ${until} by the chain's clock; 0 of 2 signatures so far`,
  );
  await attest(world, 1, parties.attesters.slice(0, 1));
  expect((await settle()).slice(0, 2)).toEqual([
    expect.stringMatching(/^nothing new since epoch 1, /),
    `not final yet: its window until ${until} by the chain's clock; 1 of 2 signatures so far`,
  ]);
  expect(await shown(1)).toMatchObject({
    ...{ status: "committed", window_until: until, attestations: { given: 1, needed: 2, attesters: 3 } },
    ...{ finalize_block_number: null, final_at_block: null, blocks_to_final: null },
  });
  const { header_hash, tx_hash } = await shown(1);
  expect(await settleJson()).toEqual({
    ...{ epoch: 1, status: "unchanged", header_hash, tx_hash, window_until: until, is_window_open: true },
    ...{ attestations: { given: 1, needed: 2, attesters: 3 }, final_at_block: null, blocks_to_final: null },
  });

  await passTime(world, WINDOW_SECONDS);
  // Whichever server looked at the chain: here not the one that is asked.
  await world.settlement.advance();
  expect(await shown(1)).toMatchObject({ status: "committed", window_until: until, is_window_open: false });
  // A window that is over is not waited for.
  expect((await settle())[1]).toBe("not final yet: 1 of 2 signatures so far");
  expect(await settleJson()).toMatchObject({ window_until: until, is_window_open: false });
  await attest(world, 1, parties.attesters.slice(1, 2));
  await settlement.advance();
  const { number } = await head();
  const finalAt = number + DEPTH;
  expect((await settle())[1]).toBe(
    `not final yet: made final in the registry; deep enough in the chain with block ${finalAt}, 5 blocks to go`,
  );
  await mine(DEPTH - 1);
  expect((await settle())[1]).toBe(
    `not final yet: made final in the registry; deep enough in the chain with block ${finalAt}, 1 block to go`,
  );
  expect(await shown(1)).toMatchObject({
    ...{ status: "committed", finalize_block_number: number, final_at_block: finalAt, blocks_to_final: 1 },
  });
  expect(await settleJson()).toMatchObject({ final_at_block: finalAt, blocks_to_final: 1 });
  await mine(1);
  expect(await settle()).toEqual([expect.stringMatching(/^final: epoch 1, /), ""]);
  expect(await settle()).toEqual([expect.stringMatching(/^nothing new since epoch 1, /), ""]);
  expect(await shown(1)).toMatchObject({ status: "final", final_at_block: finalAt, blocks_to_final: 0 });
});

it("is no longer unchanged where this call made it final in the registry", async () => {
  await world.grant("user_a", TST);
  expect(await settleJson()).toMatchObject({ epoch: 2, status: "committed", final_at_block: null });
  await attest(world, 2, parties.attesters.slice(0, 2));
  expect(await settleJson()).toMatchObject({ epoch: 2, status: "unchanged", final_at_block: null });
  await passTime(world, WINDOW_SECONDS);
  expect(await settleJson()).toMatchObject({ status: "committed", final_at_block: expect.any(Number) });
  expect(await settleJson()).toMatchObject({ status: "unchanged", final_at_block: expect.any(Number) });
});

it("is no open window where it is final in the registry, though a node that is behind was looked at last", async () => {
  await world.grant("user_a", TST);
  await settle();
  const { number } = await head();
  const before = await world.chain.provider.send("eth_getBlockByNumber", [`0x${number.toString(16)}`, false]);
  await passTime(world, WINDOW_SECONDS);
  await attest(world, 3, parties.attesters.slice(0, 2));
  expect(await settleJson()).toMatchObject({ is_window_open: false, final_at_block: expect.any(Number) });
  const node = await startMoodyNode(world.anvil.rpcUrl);
  node.be(async ({ method, params }, answer) => ({
    result: method === "eth_getBlockByNumber" && params[0] === "latest" ? before : await answer(),
  }));
  const [privateKey] = world.anvil.privateKeys;
  const chain = await connectChain({ rpcUrl: node.url, privateKey, chainId: 31_337n });
  const behind = await world.open({ chain, finalityDepth: DEPTH });
  await behind.advance();
  expect(await shown(3)).toMatchObject({ status: "committed", is_window_open: false });
  await behind.stop();
  chain.close();
  await node.close();
});

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { auditRoutes, settlementRoutes } from "#api";
import { runCli } from "#cli";
import { contractArtifact } from "#infra";
import { startApi, type TestApi } from "../support/api-app.ts";
import { bearer, TEST_JWT_SECRET } from "../support/tokens.ts";
import { createParties, sendAs, signHeader } from "./attesters.ts";
import { createWorld, TST, type World } from "./world.ts";

const parties = createParties({ windowSeconds: 60, attesters: 2, threshold: 2 });
const PATH = "/api/v1/settlement/epochs/1/attestations";
const RELEASE = "/api/v1/admin/settlement/release";

let world: World;
let api: TestApi;

beforeAll(async () => {
  world = await createWorld(undefined, parties.deploy);
  api = await startApi([
    ...settlementRoutes({
      ...{ settlement: world.settlement, ledger: world.ledger, publicRpcUrl: null },
      findPosition: async () => null,
    }),
    ...auditRoutes(world.settlement),
  ]);
  await world.settlement.run();
});
afterAll(async () => {
  await api?.close();
  await world?.close();
});

async function call(path: string, body?: unknown, as?: string) {
  const response = await fetch(`${api.url}${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { "content-type": "application/json", ...(as && { authorization: as }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: JSON.parse(await response.text()) };
}

describe("attestations over HTTP", () => {
  it("are handed in by anybody and shown, with how many it takes", async () => {
    const { headerHash } = (await world.settlement.epoch(1)) ?? { headerHash: "" };
    const [first, second] = parties.attesters;
    const signature = first ? await signHeader(first, world.record, headerHash) : "";
    const given = await call(PATH, { signature });
    expect(given).toEqual({
      status: 200,
      body: { attester: first?.address, signature, received_at: expect.stringMatching(/Z$/) },
    });
    expect(await call(PATH, { signature })).toEqual(given);
    expect((await call(PATH)).body).toEqual({
      ...{ epoch: 1, header_hash: headerHash, given: 1, needed: 2, attesters: 2 },
      data: [given.body],
    });
    if (second) await call(PATH, { signature: await signHeader(second, world.record, headerHash) });
    expect((await call("/api/v1/settlement/epochs/1")).body.attestations).toEqual({
      ...{ given: 2, needed: 2, attesters: 2 },
    });
  });

  it("are refused where they are none", async () => {
    const { headerHash } = (await world.settlement.epoch(1)) ?? { headerHash: "" };
    const stranger = await signHeader(parties.guardian, world.record, headerHash);
    expect((await call(PATH, { signature: stranger })).status).toBe(403);
    expect((await call(PATH.replace("1", "7"), { signature: stranger })).status).toBe(404);
    for (const body of [{}, { signature: "0x12" }, { signature: stranger.toUpperCase() }])
      expect((await call(PATH, body)).status).toBe(400);
    expect((await call("/api/v1/settlement/epochs/7/attestations")).status).toBe(404);
  });
});

describe("a vetoed epoch", () => {
  const cli = async (...args: string[]) => {
    const [out, err]: [string[], string[]] = [[], []];
    const io = {
      ...{
        stdout: { write: (text: string) => out.push(text) },
        stderr: { write: (text: string) => err.push(text) },
      },
      env: { JWT_SECRET: TEST_JWT_SECRET, ANCHORBOOK_API: api.url },
    } as unknown as Parameters<typeof runCli>[1];
    return { code: await runCli(args, io), out: out.join(""), err: err.join("") };
  };

  it("stops settlement, with those after it, until an operator releases its number", async () => {
    const operator = bearer("op", "operator");
    expect((await call(RELEASE, {}, operator)).body).toEqual({ epoch: null, released: 0 });
    expect((await call(RELEASE, {}, bearer("user_a"))).status).toBe(403);
    await world.grant("user_a", TST);
    const { epoch } = await world.settlement.run();
    await world.grant("user_a", TST);
    await world.settlement.run();
    const { abi } = contractArtifact("SettlementRegistry");
    const veto = abi.encodeFunctionData("veto", [2, epoch?.headerHash]);
    await sendAs(world, parties.guardian, world.record.registry, veto);
    await world.settlement.advance();
    expect((await world.settlement.epochs(null, 9)).map(({ status }) => status)).toEqual([
      ...["vetoed", "vetoed", "committed"],
    ]);
    const { rows } = await world.pool.query(
      "SELECT data ->> 'epoch' AS epoch FROM event WHERE type = 'epoch.vetoed' ORDER BY seq",
    );
    expect(rows).toEqual([{ epoch: "2" }, { epoch: "3" }]);

    await world.grant("user_a", TST);
    const stopped = await cli("settle");
    expect(stopped).toMatchObject({ code: 1, err: expect.stringContaining("epoch 2 was vetoed") });
    const settled = await cli("settle", "--release");
    expect(settled.out).toMatch(/^released: epoch 2, 2 given up\ncommitted: epoch 2, header 0x/);
    const again = await world.settlement.epoch(2);
    expect(again?.headerHash).not.toBe(epoch?.headerHash);
    expect(again?.header.previous).toBe((await world.settlement.epoch(1))?.headerHash);
    expect(again?.journalSize).toBeGreaterThan(epoch?.journalSize ?? 0);
    const kept = await world.pool.query("SELECT number, header_hash FROM vetoed_epoch ORDER BY number");
    expect(kept.rows.map(({ number }) => number)).toEqual([2, 3]);
    expect(kept.rows[0].header_hash).toBe(epoch?.headerHash);
  });

  it("is not built with the same header again, even in the second in which it closed", async () => {
    const before = await world.settlement.latestEpoch();
    const { abi } = contractArtifact("SettlementRegistry");
    const veto = abi.encodeFunctionData("veto", [before?.epoch, before?.headerHash]);
    await sendAs(world, parties.guardian, world.record.registry, veto);
    await world.settlement.advance();
    await world.settlement.release();
    const { epoch } = await world.settlement.run();
    expect(epoch).toMatchObject({
      epoch: before?.epoch,
      status: "committed",
      journalSize: before?.journalSize,
    });
    expect(epoch?.headerHash).not.toBe(before?.headerHash);
    expect(epoch?.closedAt).toBeGreaterThan(before?.closedAt ?? 0);
  });

  it("comes back where the chain takes the veto back", async () => {
    const epoch = await world.settlement.latestEpoch();
    const { abi } = contractArtifact("SettlementRegistry");
    const veto = abi.encodeFunctionData("veto", [epoch?.epoch, epoch?.headerHash]);
    await sendAs(world, parties.guardian, world.record.registry, veto);
    await world.settlement.advance();
    const careful = await world.open({ finalityDepth: 64 });
    await expect(careful.release()).rejects.toMatchObject({ code: "unavailable" });
    await world.chain.provider.send("anvil_reorg", [1, []]);
    await world.settlement.advance();
    expect(await world.settlement.latestEpoch()).toMatchObject({
      ...{ epoch: epoch?.epoch, status: "committed", headerHash: epoch?.headerHash, txHash: epoch?.txHash },
    });
    expect(await world.settlement.release()).toBeNull();
  });
});

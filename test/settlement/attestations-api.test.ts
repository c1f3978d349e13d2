import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { auditRoutes, settlementRoutes } from "#api";
import { runCli } from "#cli";
import { connectChain, contractArtifact } from "#infra";
import { systemClock } from "#kernel";
import { proofToJson } from "#proof";
import type { EpochView } from "#settlement";
import { verifyProof } from "#verifier";
import { createProbes } from "../../src/probes.ts";
import { startApi, type TestApi } from "../support/api-app.ts";
import { startLyingApi } from "../support/lying-proxy.ts";
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
    const { body } = await call("/api/v1/settlement/epochs/1");
    expect(body.attestations).toEqual({ given: 2, needed: 2, attesters: 2 });
    const until = new Date((Date.parse(body.committed_at) as number) + 60_000).toISOString();
    expect(body).toMatchObject({ window_until: until.replace(".000Z", "Z"), blocks_to_final: null });
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
  const cliAt = async (url: string, ...args: string[]) => {
    const [out, err]: [string[], string[]] = [[], []];
    const io = {
      ...{
        stdout: { write: (text: string) => out.push(text) },
        stderr: { write: (text: string) => err.push(text) },
      },
      env: { JWT_SECRET: TEST_JWT_SECRET, ANCHORBOOK_API: url },
    } as unknown as Parameters<typeof runCli>[1];
    return { code: await runCli(args, io), out: out.join(""), err: err.join("") };
  };
  const cli = (...args: string[]) => cliAt(api.url, ...args);
  /** What the server answers of settlement when it is asked whether it is ready. */
  const probed = async () => {
    const probes = createProbes({
      ...{ database: {} as never, books: {} as never, clock: systemClock, disk: null, redis: null },
      ...{ chain: world.chain, settlement: world.settlement },
      assetBooks: { open: new Map(), failed: new Map() },
    });
    return probes.find(({ name }) => name === "settlement")?.check();
  };
  const veto = async (epoch: EpochView | null) => {
    const { abi } = contractArtifact("SettlementRegistry");
    const data = abi.encodeFunctionData("veto", [epoch?.epoch, epoch?.headerHash]);
    await sendAs(world, parties.guardian, world.record.registry, data);
  };

  it("stops settlement, with those after it, until an operator releases its number", async () => {
    const operator = bearer("op", "operator");
    expect((await call(RELEASE, {}, operator)).body).toEqual({ epoch: null, released: 0 });
    expect((await call(RELEASE, {}, bearer("user_a"))).status).toBe(403);
    await world.grant("user_a", TST);
    const { epoch } = await world.settlement.run();
    const position = world.position("balances", "user_a");
    const asked = { section: "balances", position, epoch: 2, withOpening: false } as const;
    for (const number of [2, null])
      expect(await world.settlement.proof({ ...asked, epoch: number })).toMatchObject({
        headerHash: epoch?.headerHash,
      });
    await world.grant("user_a", TST);
    expect(await probed()).toMatch(/ committed journal lines? to become final, [1-9] to be committed$/);
    await world.settlement.run();
    expect((await cli("settle")).out).toMatch(/^nothing new since epoch 3/);
    expect(await probed()).toBe(
      "epoch 0 is final; waiting: 5 committed journal lines to become final, 0 to be committed",
    );
    await veto(epoch);
    await world.settlement.advance();
    expect((await world.settlement.epochs(null, 9)).map(({ status }) => status)).toEqual([
      ...["vetoed", "vetoed", "committed"],
    ]);
    const told = async () =>
      (
        await world.pool.query(
          `SELECT type, data ->> 'epoch' AS epoch FROM event
           WHERE type IN ('epoch.vetoed', 'epoch.reverted') ORDER BY seq`,
        )
      ).rows;
    const once = ["2", "3"].map((number) => ({ type: "epoch.vetoed", epoch: number }));
    expect(await told()).toEqual(once);

    // Its lines wait, though none came since.
    const WHY =
      "epoch 2 was vetoed; ask whoever did it why, then give its number free (anchorbook settle --release)";
    const proxy = await startLyingApi(api.url, (_, body) => body);
    expect(await cliAt(proxy.url, "settle")).toEqual({
      ...{ code: 1, out: "", err: `anchorbook settle: unavailable: Not settled: ${WHY}\n` },
    });
    await proxy.close();
    // Nothing that is tried again within seconds changes that.
    expect(proxy.asked.length).toBe(1);
    await expect(probed()).rejects.toThrow(`no epoch is closed: ${WHY}`);
    const nobody = await connectChain({
      ...{ rpcUrl: "http://127.0.0.1:1", privateKey: world.anvil.privateKeys[0], chainId: 31_337n },
    });
    const alone = await world.open({ chain: nobody });
    await expect(alone.run()).rejects.toThrow(
      `The chain does not answer; what is closed is sent when it does. Besides, no epoch is closed: ${WHY}`,
    );
    nobody.close();
    await world.grant("user_a", TST);
    const stopped = await cli("settle");
    expect(stopped).toMatchObject({ code: 1, err: expect.stringContaining("epoch 2 was vetoed") });
    // However often the chain was asked since.
    expect(await told()).toEqual(once);
    const settled = await cli("settle", "--release");
    expect(settled.out).toMatch(
      /^released: 2 vetoed epochs given up, from epoch 2 on\ncommitted: epoch 2, header 0x/,
    );
    const again = await world.settlement.epoch(2);
    expect(again?.headerHash).not.toBe(epoch?.headerHash);
    // Of which the header that was vetoed was read before.
    for (const number of [2, null]) {
      const proof = await world.settlement.proof({ ...asked, epoch: number });
      expect(proof).toMatchObject({ header: again?.header, headerHash: again?.headerHash });
      expect(verifyProof(JSON.stringify(proofToJson(proof)))).toMatchObject({ valid: true });
    }
    expect(again?.header.previous).toBe((await world.settlement.epoch(1))?.headerHash);
    expect(again?.journalSize).toBeGreaterThan(epoch?.journalSize ?? 0);
    const kept = await world.pool.query("SELECT number, header_hash FROM vetoed_epoch ORDER BY number");
    expect(kept.rows.map(({ number }) => number)).toEqual([2, 3]);
    expect(kept.rows[0].header_hash).toBe(epoch?.headerHash);
  });

  it("is not built with the same header again, even in the second in which it closed", async () => {
    const before = await world.settlement.latestEpoch();
    await veto(before);
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

  it("is said by the run that finds it, with new lines or without", async () => {
    for (const amount of [null, TST]) {
      const epoch = await world.settlement.latestEpoch();
      await veto(epoch);
      if (amount !== null) await world.grant("user_a", amount);
      await expect(world.settlement.run()).rejects.toMatchObject({
        ...{ code: "unavailable", message: expect.stringContaining(`epoch ${epoch?.epoch} was vetoed`) },
      });
      await world.settlement.release();
      expect((await world.settlement.run()).epoch).toMatchObject({
        epoch: epoch?.epoch,
        status: "committed",
      });
    }
  });

  it("is said to be too fresh to be released, and when it will not be", async () => {
    const epoch = await world.settlement.latestEpoch();
    await veto(epoch);
    const vetoedIn = await world.chain.provider.getBlockNumber();
    await world.chain.provider.send("anvil_mine", ["0x3"]);
    const careful = await world.open({ finalityDepth: 64 });
    const carefulApi = await startApi(
      settlementRoutes({
        ...{ settlement: careful, ledger: world.ledger, publicRpcUrl: null, findPosition: async () => null },
      }),
    );
    const proxy = await startLyingApi(carefulApi.url, (_, body) => body);
    const early = await cliAt(proxy.url, "settle", "--release");
    expect(early).toMatchObject({ code: 1, out: "" });
    expect(early.err).toContain(
      `Epoch ${epoch?.epoch} was vetoed in block ${vetoedIn}, which is 3 of 64 blocks deep: the chain might take the veto back. Try again at block ${vetoedIn + 64}\n`,
    );
    expect(proxy.asked).toEqual([RELEASE]);
    await world.chain.provider.send("anvil_mine", ["0x3c"]);
    await expect(careful.release()).rejects.toThrow("63 of 64 blocks deep");
    await world.chain.provider.send("anvil_mine", ["0x1"]);
    const released = await cliAt(proxy.url, "settle", "--release");
    expect(released.out).toMatch(/^released: 1 vetoed epoch given up, from epoch \d+ on\ncommitted: /);
    await proxy.close();
    await carefulApi.close();
    await careful.stop();
  });

  it("comes back where the chain takes the veto back", async () => {
    const epoch = await world.settlement.latestEpoch();
    await veto(epoch);
    await world.settlement.advance();
    await world.chain.provider.send("anvil_reorg", [1, []]);
    await world.settlement.advance();
    expect(await world.settlement.latestEpoch()).toMatchObject({
      ...{ epoch: epoch?.epoch, status: "committed", headerHash: epoch?.headerHash, txHash: epoch?.txHash },
    });
    expect(await world.settlement.release()).toBeNull();
  });
});

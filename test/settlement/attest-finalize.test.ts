/** What an attester takes from others after its audit: what nodes say of a veto, and the signatures that it makes epochs final with. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Wallet } from "ethers";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Book, contractArtifact, finalizeCalldata } from "#infra";
import type { EpochView } from "#settlement";
import { startLyingApi, startLyingNode } from "../support/lying-proxy.ts";
import { createParties, attest as handIn, passTime, sendAs, signHeader } from "./attesters.ts";
import { type AuditWorld, cli, createAuditWorld } from "./audit-world.ts";
import { startMoodyNode } from "./moody-node.ts";
import { createWorld, TST } from "./world.ts";

const WINDOW_SECONDS = 600;
const parties = createParties({ windowSeconds: WINDOW_SECONDS, attesters: 3, threshold: 2 });
const [first, second, third] = parties.attesters as [Wallet, Wallet, Wallet];
const { abi } = contractArtifact("SettlementRegistry");

let world: AuditWorld;
let contracts: Book;
/** Of the third attester, who runs the command. */
let state: string;

beforeAll(async () => {
  world = await createAuditWorld(() => createWorld(undefined, parties.deploy));
  contracts = new Book(world.chain, world.record);
  state = world.freshFolder();
  writeFileSync(join(state, "key"), third.privateKey);
  await world.chain.provider.send("anvil_setBalance", [third.address, "0x8ac7230489e80000"]);
});
afterAll(() => world?.close());

async function settleMore(): Promise<number> {
  await world.grant("user_a", TST);
  return (await world.settlement.run()).epoch?.epoch ?? 0;
}

function attest(options: readonly string[], { api = world.api.url, rpcs = [world.anvil.rpcUrl] } = {}) {
  return cli(
    ...["attest", "--state", state, "--key-file", join(state, "key"), "--registry", world.record.registry],
    ...["--api", api, ...rpcs.flatMap((rpc) => ["--rpc", rpc]), ...options],
  );
}

async function changeAttesters(to: readonly Wallet[]): Promise<void> {
  const change = abi.encodeFunctionData("setAttesters", [to.map(({ address }) => address), 2]);
  const asAdmin = (name: string) =>
    sendAs(world, parties.admin, world.record.registry, abi.encodeFunctionData(name, [change]));
  await asAdmin("scheduleChange");
  await passTime(world, 14 * 86_400);
  await asAdmin("executeChange");
}

it("makes an epoch final with the signatures of those who are attesters now", async () => {
  const epoch = await settleMore();
  await handIn(world, epoch, [first, second]);
  await changeAttesters([second, third]);
  expect(await attest(["--finalize"])).toMatchObject({ code: 0 });
  expect((await world.settlement.attestations(epoch)).attestations.length).toBe(3);
  expect(await contracts.lastFinal()).toBe(BigInt(epoch));
});

it("makes none final with signatures that the server shows of another header", async () => {
  const before = await contracts.lastFinal();
  const epoch = await settleMore();
  await handIn(world, epoch, [second]);
  await passTime(world, WINDOW_SECONDS);
  const path = (number: number) => `/api/v1/settlement/epochs/${number}/attestations`;
  const other = await (await fetch(`${world.api.url}${path(epoch - 1)}`)).text();
  let isAudited = false;
  const liar = await startLyingApi(world.api.url, (asked, body) => {
    if (!asked.startsWith(path(epoch))) return body;
    const isShown = isAudited;
    // Its own signature is handed in behind the audit.
    isAudited = !body.includes('"data"');
    return isShown ? other : body;
  });
  const nonce = await world.chain.provider.getTransactionCount(third.address);
  expect(await attest(["--finalize"], { api: liar.url })).toMatchObject({ code: 0 });
  await liar.close();
  expect(liar.asked.filter((asked) => asked.startsWith(path(epoch))).length).toBe(3);
  expect(await contracts.lastFinal()).toBe(before);
  expect(await world.chain.provider.getTransactionCount(third.address)).toBe(nonce);
  await attest(["--finalize"]);
  expect(await contracts.lastFinal()).toBe(BigInt(epoch));
});

it("says nothing of what an epoch waits for that somebody else makes final meanwhile", async () => {
  const epoch = await settleMore();
  const { header, headerHash } = (await world.settlement.epoch(epoch)) as EpochView;
  await passTime(world, WINDOW_SECONDS);
  const signatures = await Promise.all(
    [second, third].map((attester) => signHeader(attester, world.record, headerHash)),
  );
  const data = finalizeCalldata(header as never, signatures as never);
  const node = await startMoodyNode(world.anvil.rpcUrl);
  let byOthers: Promise<void> | undefined;
  let isGiven = false;
  const api = await startLyingApi(world.api.url, (asked, body) => {
    if (!asked.startsWith(`/api/v1/settlement/epochs/${epoch}/attestations`)) return body;
    // The server has its own signature alone, of two; whatever it asks the node for from here on, the epoch is final.
    if (isGiven)
      node.be(async (_, answer) => {
        byOthers ??= sendAs(world, first, world.record.registry, data);
        await byOthers;
        return { result: await answer() };
      });
    isGiven ||= !body.includes('"data"');
    return body;
  });
  const { code, out } = await attest(["--finalize", "--json"], { api: api.url, rpcs: [node.url] });
  await api.close();
  await node.close();
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ signed: [{ epoch: `${epoch}` }], not_final: null });
  expect([byOthers !== undefined, await contracts.lastFinal()]).toEqual([true, BigInt(epoch)]);
});

it("signs a second header of a number only where all its nodes say that the first was vetoed", async () => {
  const epoch = await settleMore();
  const vetoed = `0x${"ab".repeat(32)}`;
  const signed = {
    ...{
      format: "anchorbook-attestations/1",
      chain_id: 31_337,
      registry: world.record.registry.toLowerCase(),
    },
    ...{ attester: third.address.toLowerCase(), signed: [{ epoch: `${epoch}`, header_hash: vetoed }] },
    settled: `${epoch - 1}`,
  };
  writeFileSync(join(state, "attestations.json"), JSON.stringify(signed));
  const question = abi.encodeFunctionData("vetoed", [vetoed]);
  const liar = await startLyingNode(world.anvil.rpcUrl, (method, params, result) =>
    method === "eth_call" && (params[0] as { data: string }).data === question
      ? `0x${"1".padStart(64, "0")}`
      : result,
  );
  for (const rpcs of [
    [world.anvil.rpcUrl, liar.url],
    [liar.url, world.anvil.rpcUrl],
  ]) {
    const { code, out } = await attest([], { rpcs });
    expect(code).toBe(1);
    expect(out).toMatch(
      /\nREFUSED: epoch \d+ is signed already with the header 0xabab.*, which is not vetoed/,
    );
  }
  expect((await world.settlement.attestations(epoch)).attestations).toEqual([]);
  expect((await attest([], { rpcs: [liar.url] })).code).toBe(0);
  await liar.close();
});

it("tells of the signature that it gave, also where it then cannot learn what the epoch waits for", async () => {
  const epoch = await settleMore();
  rmSync(join(state, "attestations.json"));
  let isGiven = false;
  const server = await startLyingApi(world.api.url, (asked, body) => {
    if (!asked.endsWith("/attestations")) return body;
    const isAsked = body.includes('"data"');
    const answer = isGiven && isAsked ? { status: 404, body: "{}" } : body;
    isGiven ||= !isAsked;
    return answer;
  });
  const { code, out, err } = await attest(["--finalize"], { api: server.url });
  await server.close();
  expect([code, isGiven]).toEqual([1, true]);
  expect(out).toMatch(new RegExp(`\nsigned epoch ${epoch}: 0x[0-9a-f]{64}\n$`));
  expect(err).toContain(`anchorbook attest: ${server.url}/api/v1/settlement/epochs/`);
  expect(err).toContain("/attestations answered 404");
});

it("does not say that nothing was to be signed where the server takes no signature", async () => {
  await settleMore();
  const server = await startLyingApi(world.api.url, (asked, body) =>
    asked.endsWith("/attestations") && !body.includes('"data"') ? { status: 400, body: "{}" } : body,
  );
  const { code, out, err } = await attest([], { api: server.url });
  await server.close();
  expect(code).toBe(1);
  expect(err).toContain("the server does not take the signature of epoch ");
  expect(out).not.toContain("nothing to sign");
});

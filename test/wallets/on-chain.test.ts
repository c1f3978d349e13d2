/** The whole way in one server with its jobs: link, withdraw, claim on the chain, come in again; change the wallet. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Contract, parseEther } from "ethers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCli } from "#cli";
import { type Chain, connectChain, contractArtifact } from "#infra";
import { type ComposedServer, caller, type ServerWorld, serverWorld } from "../support/composed-server.ts";
import { mined } from "../support/mined.ts";
import { bearer } from "../support/tokens.ts";
import { DAY, newWallet } from "./world.ts";

type Wallet = ReturnType<typeof newWallet>;

let world: ServerWorld;
let server: ComposedServer;
let chain: Chain;
beforeAll(async () => {
  world = await serverWorld();
  server = await world.start({ settings: { TEST_CLOCK: "1" } });
  chain = await connectChain({ rpcUrl: world.anvil.rpcUrl, privateKey: world.anvil.privateKeys[1] });
}, 120_000);
afterAll(async () => {
  chain.close();
  await server.stop();
  await world.close();
});

const call = async (user: string | null, method: "GET" | "POST", path: string, body?: unknown) => {
  const headers = user === null ? {} : { authorization: bearer(user, "user") };
  const answer = await caller(server.url)(method, path, null, body, headers);
  return { status: answer.status, body: answer.body };
};
const operator = (path: string, body?: unknown) => call(null, "POST", path, body);
/** Runs every job that becomes due meanwhile. */
const advance = async (seconds: number) =>
  expect((await operator("/api/v1/dev/clock", { advance_seconds: seconds })).status).toBe(200);

async function link(user: string, wallet: Wallet) {
  const { body } = await call(user, "POST", "/api/v1/wallets/message", { wallet: wallet.address });
  const { number, deadline } = body.typed_data.message;
  return call(user, "POST", "/api/v1/wallets", {
    ...{ wallet: wallet.address, number: Number(number), deadline: Number(deadline) },
    signature: await wallet.sign(body.typed_data),
  });
}

async function linkedUser(user: string, tst: number): Promise<Wallet> {
  const grant = { user_id: user, asset: "TST", amount: tst, reason: "test" };
  expect((await operator("/api/v1/admin/grants", grant)).status).toBe(200);
  const wallet = newWallet();
  expect((await link(user, wallet)).body.status).toBe("linked");
  await mined(chain.signer?.sendTransaction({ to: wallet.address, value: parseEther("1") }));
  return wallet;
}

const available = async (user: string) =>
  (await call(user, "GET", `/api/v1/tst/access/${user}`)).body.available_tst;
const contractOf = async (name: "SettlementVault" | "SettlementRegistry", { signer }: Wallet) => {
  const { body } = await call(null, "GET", "/api/v1/settlement/contracts");
  const address = name === "SettlementVault" ? body.custodians.payouts : body.registry;
  return new Contract(address, contractArtifact(name).abi, signer.connect(chain.provider));
};

describe("a user's own tokens", () => {
  test("leave to the linked wallet, and come in again from there", { timeout: 120_000 }, async () => {
    const user = "out-and-in";
    const wallet = await linkedUser(user, 100);
    const { body: withdrawal } = await call(user, "POST", "/api/v1/withdrawals", { amount: 40 });
    expect([withdrawal.status, await available(user)]).toEqual(["pending", "60"]);
    expect((await operator("/api/v1/admin/settlement/run")).status).toBe(200);
    const path = `/api/v1/withdrawals/${withdrawal.withdrawal_id}`;
    const { claim } = (await call(user, "GET", path)).body;
    expect(claim).toMatchObject({ wallet: wallet.address, claimable: "40" });
    const payer = wallet.signer.connect(chain.provider);
    await mined(payer.sendTransaction({ to: claim.vault, data: claim.claim }));
    await advance(60);
    expect((await call(user, "GET", path)).body).toMatchObject({ status: "claimed", claim: null });
    const vault = await contractOf("SettlementVault", wallet);
    await mined(vault.getFunction("deposit")(parseEther("15")));
    await advance(60);
    expect(await available(user)).toBe("75");
    expect((await operator("/api/v1/admin/settlement/run")).status).toBe(200);
  });
});

describe("a change of the wallet", () => {
  const wallets = async (user: string) => (await call(user, "GET", "/api/v1/wallets")).body;

  test("is cancelled on-chain, or completes over a jump of the clock", { timeout: 120_000 }, async () => {
    const user = "changing";
    const old = await linkedUser(user, 10);
    const [stolen, next] = [newWallet(), newWallet()];
    expect((await link(user, stolen)).body.status).toBe("announced");
    await operator("/api/v1/admin/settlement/run");
    const registry = await contractOf("SettlementRegistry", old);
    await mined(registry.getFunction("cancelWallet")((await wallets(user)).user));
    await advance(60);
    expect(await wallets(user)).toMatchObject({ wallet: old.address, announced: null });
    expect((await link(user, next)).body.status).toBe("announced");
    await operator("/api/v1/admin/settlement/run");
    await advance(13 * DAY);
    expect(await wallets(user)).toMatchObject({ wallet: old.address, announced: { wallet: next.address } });
    await advance(2 * DAY);
    expect(await wallets(user)).toMatchObject({ wallet: next.address, announced: null, carried: true });
    // What the old one brings in is still the user's.
    expect((await link("somebody-else", old)).body.error).toBe("wallet_taken");
  });
});

describe("a user who leaves by a demand, while the operator works", () => {
  const folder = mkdtempSync(join(tmpdir(), "anchorbook-demand-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const cli = async (...args: string[]) => {
    const [out, err]: [string[], string[]] = [[], []];
    const stdout = { write: (text: string) => out.push(text) };
    const stderr = { write: (text: string) => err.push(text) };
    const io = { stdout, stderr, env: {} } as unknown as Parameters<typeof runCli>[1];
    const code = await runCli([...args, "--api", server.url, "--rpc", world.anvil.rpcUrl, "--json"], io);
    if (code !== 0) throw new Error(`${err.join("")}${out.join("")}`);
    return JSON.parse(out.join(""));
  };

  test("is swept, served and paid, and an auditor finds all of it in order", {
    timeout: 120_000,
  }, async () => {
    const wallet = await linkedUser("leaving", 20);
    const keyFile = join(folder, "key");
    writeFileSync(keyFile, wallet.signer.privateKey);
    const leave = () => cli("exit", "--key-file", keyFile, "--send");
    await operator("/api/v1/admin/settlement/run");
    expect((await leave()).sent).toMatchObject([{ action: "demandExit" }]);
    await advance(60);
    expect((await operator("/api/v1/admin/settlement/run")).status).toBe(200);
    expect(await available("leaving")).toBe("0");
    expect((await leave()).sent).toMatchObject([{ action: "claim" }]);
    await advance(60);
    expect((await operator("/api/v1/admin/settlement/run")).status).toBe(200);
    const { body } = await call(null, "GET", "/api/v1/settlement/contracts");
    const token = new Contract(body.token, contractArtifact("TST").abi, chain.provider);
    expect(await token.getFunction("balanceOf")(wallet.address)).toBe(parseEther("20"));

    // The server's clock is weeks ahead of the chain's: each line came that long after its event was final.
    const { valid, checks } = await cli("audit", "--state", join(folder, "book"), "--finality-depth", "0");
    expect([valid, checks.at(-1)]).toEqual([true, expect.objectContaining({ name: "attestations" })]);
    const said = (name: string) => checks.find((check: { name: string }) => check.name === name)?.detail;
    expect(said("entries")).toContain("entries up to 1 of 1 credited; 2 claims");
    expect(said("chain_lines")).toMatch(/^[6-9] chain events have their line, 0 wait/);
    expect(said("owners")).toMatch(/^[4-9] signatures of wallets checked$/);
    expect(said("demands")).toMatch(/ 1 swept$/);
  });

  test("escapes from a book that is frozen for it, whose audit goes on to the end", {
    timeout: 120_000,
  }, async () => {
    const { signer } = await linkedUser("left-alone", 30);
    const keyFile = join(folder, "key-of-another");
    writeFileSync(keyFile, signer.privateKey);
    expect((await operator("/api/v1/admin/settlement/run")).status).toBe(200);
    const audited = () => cli("audit", "--finality-depth", "0");
    const leave = async (daysLater: number) => {
      await chain.provider.send("evm_increaseTime", [daysLater * DAY + 60]);
      await chain.provider.send("evm_mine", []);
      const { sent } = await cli("exit", "--key-file", keyFile, "--send");
      return sent.map(({ action }: { action: string }) => action);
    };
    expect(await leave(0)).toEqual(["demandExit"]);
    expect(await leave(8)).toEqual(["requestFreeze"]);
    await expect(audited()).rejects.toThrow(
      /"demands","ok":false,"detail":"[^"]*its owner's demand was due at \d{4}-[^"]* and is not served/,
    );
    expect(await leave(1)).toContain("freeze");
    const { valid, stopped, checks } = await audited();
    expect([valid, stopped]).toEqual([true, expect.stringMatching(/^the book is frozen since /)]);
    expect(checks.at(-1)).toMatchObject({ name: "attestations", ok: true });
    const { detail } = checks.find(({ name }: { name: string }) => name === "demands");
    expect(detail).toMatch(/; 1 not served when the book was frozen$/);
  });
});

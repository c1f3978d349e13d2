/** `anchorbook withdraw` and `anchorbook claim`: from the ledger to a wallet on a real chain. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "#cli";
import { contractAt } from "#infra";
import { startLyingApi } from "../support/lying-proxy.ts";
import { bearer } from "../support/tokens.ts";
import { claimSeen, createWalletWorld, newWallet, type WalletWorld } from "./world.ts";

let world: WalletWorld;
beforeAll(async () => {
  world = await createWalletWorld();
}, 120_000);
afterAll(() => world.close());

const TST = 10n ** 18n;

const balanceOf = (address: string): Promise<bigint> =>
  contractAt(world.chain, "TST", world.record.token).getFunction("balanceOf")(address);
const send = async (to: string, data: string) => {
  const sent = await world.chain.signer?.sendTransaction({ to, data });
  await sent?.wait();
};

/** As a person calls it: the token and the key are in the environment. */
async function command(env: Record<string, string>, ...args: string[]) {
  const [out, err]: [string[], string[]] = [[], []];
  const into = (lines: string[]) => ({
    write: (text: string | Uint8Array) => lines.push(String(text)) > 0,
  });
  const io = { stdout: into(out), stderr: into(err), env: { ANCHORBOOK_API: world.url, ...env } };
  return { code: await runCli(args, io), out: out.join(""), err: err.join("") };
}

async function person(tst = 100n) {
  const [user, wallet] = [await world.user(tst), newWallet()];
  const [, token = ""] = bearer(user).split(" ");
  await world.chain.provider.send("anvil_setBalance", [wallet.address, "0xde0b6b3a7640000"]);
  const env = { ANCHORBOOK_TOKEN: token, WALLET_PRIVATE_KEY: wallet.signer.privateKey };
  return { user, wallet, env, call: (...args: string[]) => command(env, ...args) };
}

const node = () => ["--rpc", world.anvil.rpcUrl];

test("a user withdraws, waits and claims in two commands", async () => {
  const { user, wallet, call } = await person();
  const made = await call("withdraw", "12.5", "--link");
  expect([made.code, made.err]).toEqual([0, `linked ${wallet.address}\n`]);
  const [, id = ""] =
    /^(wd_\w+): 12\.5 TST to 0x\w+, pending\nNext: npx anchorbook claim \1\n$/.exec(made.out) ?? [];
  expect(id).not.toBe("");
  expect(await call("claim", ...node(), "--timeout", "0")).toMatchObject({ code: 1, out: "" });

  const waiting = call("claim", ...node(), "--timeout", "60");
  await world.settlement.run();
  const claimed = await waiting;
  expect(claimed).toMatchObject({
    code: 0,
    out: expect.stringContaining(`claimed 12.5 TST to ${wallet.address}: 0x`),
  });
  expect(await balanceOf(wallet.address)).toBe(12n * TST + TST / 2n);
  // The vault pays nothing twice; whoever asks before the server has seen it is told the vault's reason.
  expect((await call("claim", id, ...node())).err).toMatch(/the vault refuses the claim: \w+\(/);
  await claimSeen(world, user, wallet.address, 12n * TST + TST / 2n, 12n * TST + TST / 2n);
  expect((await call("claim", id, ...node())).out).toBe(`${id} is claimed already\n`);
});

test("without a key the transaction is printed, and anyone may send it", async () => {
  const { user, wallet, env, call } = await person();
  expect((await world.link(user, wallet)).status).toBe(200);
  expect((await call("withdraw", "3", "--json")).code).toBe(0);
  await world.settlement.run();
  const { out } = await command({ ...env, WALLET_PRIVATE_KEY: "" }, "claim", ...node(), "--json");
  const { status, amount, transaction, tx_hash } = JSON.parse(out);
  expect([status, amount, tx_hash]).toEqual(["claimable", "3", null]);
  await send(transaction.to, transaction.data);
  expect(await balanceOf(wallet.address)).toBe(3n * TST);
  await claimSeen(world, user, wallet.address, 3n * TST, 3n * TST);
});

test("says what is missing or wrong, and sends nothing then", async () => {
  const { env, call } = await person();
  expect((await call("withdraw", "1")).err).toContain("no_wallet: none is linked yet; --link");
  expect((await call("claim")).err).toContain("nothing was ever withdrawn");
  const keyless = { ...env, WALLET_PRIVATE_KEY: "" };
  expect((await command(keyless, "withdraw", "1", "--link")).err).toContain("--link needs the wallet's key");
  const wrong = await command({ ...env, WALLET_PRIVATE_KEY: "0x12" }, "withdraw", "1", "--link");
  expect(wrong.err).toContain("WALLET_PRIVATE_KEY must be 0x and 64 hex digits");
  expect((await command({ ...env, ANCHORBOOK_TOKEN: "" }, "withdraw", "1")).err).toContain(
    "ANCHORBOOK_TOKEN must",
  );
  expect((await call("withdraw", "101", "--link")).err).toContain("insufficient_balance");
  for (const args of [
    ["withdraw"],
    ["withdraw", "-1"],
    ["withdraw", "1", "2"],
    ["claim", "wd_1"],
    ["claim", "--rpc", "x"],
  ])
    expect([args, (await call(...args)).code]).toEqual([args, 2]);

  expect((await call("withdraw", "1")).code).toBe(0);
  await world.settlement.run();
  expect((await call("claim")).err).toContain("--rpc is needed");
  const other = `0x${"11".repeat(20)}`;
  expect((await call("claim", ...node(), "--registry", other)).err).toContain("is of another registry");
  // A proof that holds, of what is somebody else's: nobody pays for that, and is told that it was theirs.
  const liar = await startLyingApi(world.url, (path, body) =>
    path.includes("/withdrawals/wd_") ? body.replace(/"wallet":"0x\w+"/g, `"wallet":"${other}"`) : body,
  );
  try {
    const refused = await call("claim", ...node(), "--api", liar.url);
    expect([refused.code, refused.out]).toEqual([1, ""]);
    expect(refused.err).toMatch(/the server's proof pays 0x\w{40}, and not 0x1{40}/);
  } finally {
    await liar.close();
  }
  const poor = { ...env, WALLET_PRIVATE_KEY: `0x${"12".repeat(32)}` };
  expect((await command(poor, "claim", ...node())).err).toBe(
    "anchorbook claim: the account of the key has too little ether to pay for the transaction's gas; it was not sent\n",
  );
});

/** `anchorbook withdraw` and `anchorbook claim`: from the ledger to a wallet on a real chain. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { Wallet } from "ethers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "#cli";
import { contractAt } from "#infra";
import { startLyingApi, startLyingNode } from "../support/lying-proxy.ts";
import { mined } from "../support/mined.ts";
import { bearer } from "../support/tokens.ts";
import { claimSeen, createWalletWorld, keyOf, newWallet, type WalletWorld } from "./world.ts";

let world: WalletWorld;
beforeAll(async () => {
  world = await createWalletWorld();
}, 120_000);
afterAll(() => world.close());

const TST = 10n ** 18n;

const balanceOf = (address: string): Promise<bigint> =>
  contractAt(world.chain, "TST", world.record.token).getFunction("balanceOf")(address);
const send = (to: string, data: string) => mined(world.chain.signer?.sendTransaction({ to, data }));

/** As a person calls it: the token and the key are in the environment. */
const command = (env: Record<string, string>, ...args: string[]) => commandTelling([], env, ...args);

/** @param err what it has told so far */
async function commandTelling(err: string[], env: Record<string, string>, ...args: string[]) {
  const out: string[] = [];
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
  const registry = ["--registry", world.record.registry, "--rpc", world.anvil.rpcUrl];
  const made = await call("withdraw", "12.5", "--link", ...registry);
  expect(made.code).toBe(0);
  expect(made.err.replace(/until .*Z/, "until T").replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "KEY")).toBe(
    `the wallet signs, for ever:
  user      ${user}, by the key ${await keyOf(world, user)}
  wallet    ${wallet.address}
  registry  ${world.record.registry}
  chain     ${world.record.chain_id}
  until T, for the server to bring it in
linked ${wallet.address}
withdrawing under the key KEY: with --key KEY this is done once
`,
  );
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
  // The vault is asked, also before the server has seen it.
  expect(await call("claim", id, ...node())).toMatchObject({ code: 0, out: `${id} is claimed already\n` });
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

test("how much is claimed is read from proof and vault, whatever the server says", async () => {
  const { user, wallet, call } = await person();
  expect((await world.link(user, wallet)).status).toBe(200);
  expect((await call("withdraw", "3")).code).toBe(0);
  await world.settlement.run();
  const boasting = await startLyingApi(world.url, (_, body) =>
    body.replaceAll(/"(claimable|amount)":"3"/g, '"$1":"3000"').replaceAll('"asset":"TST"', '"asset":"GOLD"'),
  );
  const { code, out } = await call("claim", ...node(), "--api", boasting.url);
  await boasting.close();
  expect([code, out]).toEqual([0, expect.stringContaining(`claimed 3 TST to ${wallet.address}`)]);
  await claimSeen(world, user, wallet.address, 3n * TST, 3n * TST);
  // Of what is withdrawn in all, the vault has paid a part.
  expect((await call("withdraw", "2")).code).toBe(0);
  await world.settlement.run();
  expect((await call("claim", ...node())).out).toContain(`claimed 2 TST to ${wallet.address}`);
  await claimSeen(world, user, wallet.address, 2n * TST, 5n * TST);
});

test("a wallet signs nothing but its user's first link in the named book", async () => {
  const { user, wallet, call } = await person();
  const { body: others } = await world.post(
    "/api/v1/wallets/message",
    { wallet: wallet.address },
    { as: await world.user() },
  );
  const elsewhere = "0x52908400098527886E0F7030069857D2E4169EE7";
  type Message = { typed_data: { domain: object; message: object }; opening: object };
  const says = (change: (told: Message) => unknown) => async (pins: string[]) => {
    const liar = await startLyingApi(world.url, (path, body) =>
      path === "/api/v1/wallets/message" ? JSON.stringify(change(JSON.parse(body) as Message)) : body,
    );
    const { code, err } = await call("withdraw", "1", "--link", ...pins, "--api", liar.url);
    await liar.close();
    expect([code, liar.asked.at(-1)], err).toEqual([1, "/api/v1/wallets/message"]);
    return err;
  };
  const domain = (members: object) =>
    says(({ typed_data: typed, ...rest }) => ({
      ...{ ...rest, typed_data: { ...typed, domain: { ...typed.domain, ...members } } },
    }));
  const message = (members: object) =>
    says(({ typed_data: typed, ...rest }) => ({
      ...{ ...rest, typed_data: { ...typed, message: { ...typed.message, ...members } } },
    }));
  const pins = ["--registry", world.record.registry, "--rpc", world.anvil.rpcUrl];
  expect(await domain({ verifyingContract: elsewhere })(pins)).toMatch(
    /wants the registry 0x5290.* and not 0x/,
  );
  expect(await domain({ verifyingContract: "0x12" })([])).toContain("names no registry");
  expect(await domain({ chainId: "1" })(pins)).toMatch(/wants chain 1 .* the node is of \d+/);
  const theirs = others.typed_data.message.user;
  expect(await message({ user: theirs })(pins)).toContain(
    `wants the user "${theirs}" to be signed for, and for ${user} `,
  );
  // The opening of another user's key shows that it is another user's.
  const opened = says(() => ({ ...others, digest: others.digest }));
  expect(await opened(pins)).toContain("wants the user ");
  expect(await says(({ opening: _, ...rest }) => rest)(pins)).toContain(
    "does not show what the user key is made of",
  );
  expect(await message({ wallet: elsewhere })(pins)).toContain("wants the wallet ");
  expect(await message({ previous: elsewhere })(pins)).toContain("wants the previous ");
  expect(await message({ number: "2" })(pins)).toContain("wants the number ");
  expect(await message({ deadline: "for ever" })(pins)).toContain("no time until which");
  expect((await world.get("/api/v1/wallets", { as: user })).body.wallet).toBeNull();
  // Somebody else linked theirs: nothing is withdrawn to it by who holds another key.
  const robbed = await person();
  expect((await world.link(robbed.user, newWallet())).status).toBe(200);
  expect(await robbed.call("withdraw", "1", "--link")).toMatchObject({
    ...{ code: 1, out: "" },
    err: expect.stringContaining(`is linked already, and ${robbed.wallet.address} is the wallet of the key`),
  });
  // Who pins nothing is told what is not known.
  const linked = await call("withdraw", "1", "--link");
  expect(linked.err).toContain(
    `registry  ${world.record.registry} (the server's own word; --registry ADDRESS pins it)`,
  );
  expect(linked.err).toContain(
    `chain     ${world.record.chain_id} (the server's own word; --rpc URL pins it)`,
  );
});

test("a withdrawal is made once under its key, whatever becomes of the answer", async () => {
  const { user, wallet, env, call } = await person();
  expect((await world.link(user, wallet)).status).toBe(200);
  const made = async () =>
    (await world.get("/api/v1/withdrawals", { as: user })).body.data.map(
      ({ amount }: { amount: string }) => amount,
    );
  const isWithdrawal = (path: string) => path === "/api/v1/withdrawals";
  // The server acts, and its answer is lost: before it began, and in its middle. The command asks again.
  const lost = { status: 200, body: "", cut: true };
  for (const [amount, cut] of [
    ["1", () => lost],
    ["2", (body: string) => ({ ...lost, body: body.slice(0, 20) })],
  ] as const) {
    let cuts = 1;
    const breaking = await startLyingApi(world.url, (path, body) =>
      isWithdrawal(path) && cuts-- > 0 ? cut(body) : body,
    );
    const { code, out } = await call("withdraw", amount, "--api", breaking.url);
    await breaking.close();
    expect([code, breaking.asked.filter(isWithdrawal)]).toEqual([
      0,
      ["/api/v1/withdrawals", "/api/v1/withdrawals"],
    ]);
    expect(out).toContain(`: ${amount} TST to `);
  }
  expect(await made()).toEqual(["2", "1"]);
  // The server acts, and says that it failed: whoever runs the command again as it says has one withdrawal. The key is told
  // before anything is sent, for whoever is cut off.
  const err: string[] = [];
  let before = "";
  const failing = await startLyingApi(world.url, (path, body) => {
    if (!isWithdrawal(path)) return body;
    before = err.join("");
    return { status: 500, body: "{}" };
  });
  const failed = await commandTelling(err, env, "withdraw", "3", "--api", failing.url);
  await failing.close();
  expect([failed.code, failed.out]).toEqual([1, ""]);
  const [, key = ""] =
    /may have been withdrawn all the same: the same command with --key (\S+) /.exec(failed.err) ?? [];
  expect(before).toBe(`withdrawing under the key ${key}: with --key ${key} this is done once\n`);
  const again = await call("withdraw", "3", "--key", key);
  expect([again.code, again.err]).toEqual([0, expect.stringContaining("this key was used before")]);
  expect(await made()).toEqual(["3", "2", "1"]);
  // Something before the server answers in its place; or the answer is lost, and the token has ended when it is asked for
  // again, or something else answers then; or the server did not wait for the end, and is at it when it is asked again.
  const blocked = { status: 403, body: "<html>Blocked</html>" };
  const tooLong =
    '{"error":"unavailable","message":"This took too long; ask again with the same Idempotency-Key"}';
  const answers = [
    [{ status: 200, body: "<html>Welcome</html>" }],
    [blocked],
    [lost, { status: 401, body: '{"error":"unauthorized","message":"expired"}' }],
    [lost, blocked],
    [
      { status: 503, body: tooLong },
      { status: 409, body: '{"error":"in_progress","message":"is in progress"}' },
    ],
  ];
  for (const given of answers) {
    const left = [...given];
    const odd = await startLyingApi(world.url, (path, body) =>
      isWithdrawal(path) ? (left.shift() ?? "") : body,
    );
    const { code, err: said } = await call("withdraw", "3", "--key", key, "--api", odd.url);
    await odd.close();
    expect([code, said]).toEqual([1, expect.stringContaining("may have been withdrawn all the same")]);
    // Without the key it would be another one.
    expect(said).not.toContain("the same command asks");
  }
  // Of two at once under one name, one is made; another amount is another withdrawal, and is refused.
  const two = await Promise.all([
    call("withdraw", "4", "--key", "rent"),
    call("withdraw", "4", "--key", "rent"),
  ]);
  expect(two.map(({ code }) => code)).toEqual([0, 0]);
  expect(two[0]?.out).toBe(two[1]?.out);
  expect((await call("withdraw", "5", "--key", "rent")).err).toContain(
    "--key rent was used for another amount",
  );
  expect(await made()).toEqual(["4", "3", "2", "1"]);
  // What was refused under a key stays so.
  for (const hint of [
    expect.not.stringContaining("another key"),
    expect.stringContaining("take another key"),
  ])
    expect(await call("withdraw", "1000", "--key", "much")).toMatchObject({ code: 1, err: hint });
});

test("a withdrawal is claimed once, by claims at the same time and by one that was cut off", async () => {
  const { user, wallet, env, call } = await person();
  const withdrawn = async (amount: string, ...link: string[]): Promise<string> => {
    const { out } = await call("withdraw", amount, ...link, "--json");
    await world.settlement.run();
    return JSON.parse(out).withdrawal_id;
  };
  const nonce = (block: string) => world.chain.provider.getTransactionCount(wallet.address, block);
  const mining = (on: boolean) => world.chain.provider.send("evm_setAutomine", [on]);

  /** Two at once: one says what it claimed, the other that it is claimed; or both the one transaction that they both sent. */
  const twoAt = async (rpc: string, id: string, amount: string, meanwhile = async () => {}) => {
    const claims = [1, 2].map(() => call("claim", id, "--rpc", rpc));
    await meanwhile();
    const ended = await Promise.all(claims);
    expect(ended.map(({ code }) => code)).toEqual([0, 0]);
    const said = new Set(ended.map(({ out }) => out.replace(/ to .*\n/, "")));
    said.delete(`${id} is claimed already\n`);
    expect([...said]).toEqual([`claimed ${amount} TST`]);
  };

  const first = await withdrawn("5", "--link");
  await twoAt(world.anvil.rpcUrl, first, "5");
  expect(await balanceOf(wallet.address)).toBe(5n * TST);

  // One is killed when its transaction is sent and not mined; run again, it waits for that one.
  const second = await withdrawn("2");
  await claimSeen(world, user, wallet.address, 5n * TST, 5n * TST);
  const before = await nonce("latest");
  const counted = await startLyingNode(world.anvil.rpcUrl, (_method, _params, result) => result);
  try {
    await mining(false);
    const child = spawn(process.execPath, ["src/cli/main.ts", "claim", second, ...node()], {
      ...{ cwd: resolve(import.meta.dirname, "../.."), stdio: "ignore" },
      env: { ...process.env, ANCHORBOOK_API: world.url, ...env },
    });
    const ended = once(child, "exit");
    await expect.poll(() => nonce("pending"), { timeout: 20_000 }).toBe(before + 1);
    child.kill("SIGKILL");
    await ended;
    const again = call("claim", second, "--rpc", counted.url);
    const looks = () => counted.asked.filter((method) => method === "eth_getTransactionCount").length;
    await expect.poll(looks, { timeout: 20_000 }).toBeGreaterThan(2);
    await mining(true);
    await world.chain.provider.send("evm_mine", []);
    expect(await again).toEqual({
      ...{ code: 0, out: `${second} is claimed already\n` },
      err: `a transaction of ${wallet.address} is under way; waiting until it is mined\n`,
    });
    expect(await nonce("latest")).toBe(before + 1);
    expect(await balanceOf(wallet.address)).toBe(7n * TST);

    // Two that both find nothing under way send the same transaction, before either is mined.
    const third = await withdrawn("1");
    await claimSeen(world, user, wallet.address, 2n * TST, 7n * TST);
    counted.asked.length = 0;
    await mining(false);
    await twoAt(counted.url, third, "1", async () => {
      const asked = (wanted: string) => counted.asked.filter((method) => method === wanted).length;
      const areAtIt = () => asked("eth_sendRawTransaction") > 1 || asked("eth_getTransactionCount") > 5;
      await expect.poll(areAtIt, { timeout: 20_000 }).toBe(true);
      await mining(true);
      await world.chain.provider.send("evm_mine", []);
    });
    expect(await nonce("latest")).toBe(before + 2);
  } finally {
    await mining(true);
    await counted.close();
  }
  expect(await balanceOf(wallet.address)).toBe(8n * TST);
});

test("says what is missing or wrong, and sends nothing then", async () => {
  const { user, env, call } = await person();
  const rich = await person();
  expect((await rich.call("withdraw", "1", "--link")).code).toBe(0);
  expect(await call("withdraw", "1")).toMatchObject({
    ...{ code: 1, out: "" },
    err: "anchorbook withdraw: no_wallet: none is linked yet; --link links the one of the key\n",
  });
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
    ["withdraw", "1", "--key", "two words"],
    ["withdraw", "1", "--registry", `0x${"11".repeat(20)}`],
    ["withdraw", "1", "--link", "--registry", "0x11"],
    ["withdraw", "1", "--link", "--rpc", "node"],
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
  // Nor for another user's proof, which holds as well.
  const of = async ({ user }: { user: string }, path: string) =>
    JSON.stringify((await world.get(path, { as: user })).body);
  const { data } = JSON.parse(await of(rich, "/api/v1/withdrawals"));
  const theirs = await of(rich, `/api/v1/withdrawals/${data[0].withdrawal_id}`);
  const theirProof = await of(rich, JSON.parse(theirs).claim.proof);
  const swapping = await startLyingApi(world.url, (path, body) =>
    path.includes("/withdrawals/wd_") ? theirs : path.includes("/proofs/") ? theirProof : body,
  );
  const swapped = await call("claim", ...node(), "--api", swapping.url);
  await swapping.close();
  expect([swapped.code, swapped.err]).toEqual([
    1,
    `anchorbook claim: the server's proof is not shown to be of the payouts of ${user}\n`,
  ]);
  const poor = { ...env, WALLET_PRIVATE_KEY: `0x${"12".repeat(32)}` };
  const { address } = new Wallet(poor.WALLET_PRIVATE_KEY);
  expect((await command(poor, "claim", ...node())).err).toMatch(
    new RegExp(
      `^anchorbook claim: the account ${address} has 0\\.0 ether; up to 0\\.0\\d+ ether is needed for the transaction, which was not sent\n$`,
    ),
  );
});

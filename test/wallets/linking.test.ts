/** A wallet becomes a user's by its own signature and by nothing else; every way round that is tried. */
import { Contract } from "ethers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkWalletSignature } from "#infra";
import { type Hex, parseStatement } from "#proof";
import { attackAccess, attackInput } from "../support/attack-routes.ts";
import { mined } from "../support/mined.ts";
import { auditOwners } from "./audit.ts";
import { deployWallet } from "./contract-wallet.ts";
import { createWalletWorld, DAY, keyOf, newWallet, type Signing, type WalletWorld } from "./world.ts";

let world: WalletWorld;
beforeAll(async () => {
  world = await createWalletWorld();
}, 120_000);
afterAll(async () => {
  // Whatever the tests did: all of it follows from what is published.
  await world.settlement.run();
  expect((await auditOwners(world)).checked).toBeGreaterThan(3);
  await world.close();
});

const CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const ownerOf = async (user: string) =>
  (
    await world.rows<{ role: string; owner: string }>(
      `SELECT a.role, '0x' || encode(p.owner, 'hex') AS owner FROM position p JOIN account a ON a.id = p.account
       WHERE a.owner = $1 ORDER BY a.role, a.reference`,
      [user],
    )
  ).map(({ role, owner }) => [role, owner]);

describe("linking", () => {
  test("gives all positions of the user the wallet, and those that come after", async () => {
    const user = await world.user(100n);
    await world.lock(user, `${user}-one`, 10n);
    await world.lock(user, `${user}-two`, 10n);
    const wallet = newWallet();
    const { status, body } = await world.link(user, wallet);
    expect([status, body.status, body.wallet, body.number]).toEqual([200, "linked", wallet.address, 1]);
    await world.stake(user, "after", 10n);
    const address = wallet.address.toLowerCase();
    expect(await ownerOf(user)).toEqual([
      ["available", address],
      ["locked", address],
      ["locked", address],
      ["staked", address],
    ]);
    expect((await world.get("/api/v1/wallets", { as: user })).body).toMatchObject({
      ...{ wallet: wallet.address, carried: true, announced: null, user: await keyOf(world, user) },
      wallets: [{ wallet: wallet.address, status: "linked" }],
    });
    const [event] = await world.rows<{ data: Record<string, unknown> }>(
      "SELECT data FROM event WHERE type = 'wallet.linked' AND subject = $1",
      [user],
    );
    expect(event?.data).toMatchObject({ user_id: user, wallet: wallet.address, previous: null });
  });

  test("works for a user who was never seen", async () => {
    const user = await world.user();
    const wallet = newWallet();
    expect((await world.link(user, wallet)).status).toBe(200);
    await world.grant(user, 5n);
    expect(await ownerOf(user)).toEqual([["available", wallet.address.toLowerCase()]]);
  });

  test("with a key again is replayed, without one refused", async () => {
    const user = await world.user();
    const wallet = newWallet();
    const body = await world.signed(user, wallet);
    const first = await world.post("/api/v1/wallets", body, { as: user, key: "link-once" });
    const again = await world.post("/api/v1/wallets", body, { as: user, key: "link-once" });
    expect(again).toEqual(first);
    expect(await world.post("/api/v1/wallets", body, { as: user })).toMatchObject({
      ...{ status: 400, body: { error: "invalid_signature", details: { reason: "number" } } },
    });
    const other = await world.signed(user, newWallet());
    expect((await world.post("/api/v1/wallets", other, { as: user, key: "link-once" })).status).toBe(422);
  });

  test("names the user by nothing but an opaque key", async () => {
    const user = "somebody@example.org";
    await world.link(user, newWallet());
    await world.settlement.run();
    let journal = "";
    for await (const text of await world.settlement.journal(0, 1_000_000)) journal += text;
    expect(journal).toContain((await keyOf(world, user)).slice(2));
    expect(journal).not.toContain(user);
  });
});

describe("no wallet is linked", () => {
  const refusal = async (
    user: string,
    change: (body: Record<string, unknown>) => unknown,
    wallet = newWallet(),
  ) => {
    const { status, body } = await world.post("/api/v1/wallets", change(await world.signed(user, wallet)), {
      as: user,
    });
    return [status, body.error, body.details?.reason];
  };
  const signatureOf = (body: Record<string, unknown>) => body.signature as string;

  test("by a signature that is malleable, of another form or another length", async () => {
    const user = await world.user();
    const highS = (signature: string) => {
      const s = CURVE_ORDER - BigInt(`0x${signature.slice(66, 130)}`);
      const v = signature.slice(130) === "1b" ? "1c" : "1b";
      return `${signature.slice(0, 66)}${s.toString(16).padStart(64, "0")}${v}`;
    };
    for (const change of [
      highS,
      (signature: string) => `${signature.slice(0, 130)}${signature.slice(130) === "1b" ? "00" : "01"}`,
      (signature: string) => `${signature.slice(0, 130)}${signature.slice(130) === "1b" ? "1c" : "1b"}`,
      (signature: string) => `${signature}00`,
      (signature: string) => signature.slice(0, -2),
      () => "0x00",
      () => `0x${"00".repeat(65)}`,
      () => `0x${"00".repeat(64)}1b`,
      () => `0x${"ff".repeat(2_048)}`,
    ])
      expect(await refusal(user, (body) => ({ ...body, signature: change(signatureOf(body)) }))).toEqual([
        ...[400, "invalid_signature", "signature"],
      ]);
    for (const signature of ["0x", "0x0", "00", `0x${"00".repeat(2_049)}`, 5, null])
      expect((await refusal(user, (body) => ({ ...body, signature }))).slice(0, 2)).toEqual([
        400,
        "invalid_request",
      ]);
    expect(await ownerOf(user)).toEqual([]);
  });

  test("by a signature for another user, number, deadline, wallet, registry, chain or ledger", async () => {
    const [user, other] = [await world.user(), await world.user()];
    const wallet = newWallet();
    const body = await world.signed(user, wallet);
    const attempt = (as: string, changed: Record<string, unknown>) =>
      world.post("/api/v1/wallets", changed, { as });
    await keyOf(world, other);
    for (const [as, changed] of [
      [other, body],
      [user, { ...body, number: 2 }],
      [user, { ...body, deadline: (body.deadline as number) + 1 }],
      [user, { ...body, wallet: newWallet().address }],
    ] as const)
      expect((await attempt(as, changed)).body.error).toBe("invalid_signature");
    const message = await world.post("/api/v1/wallets/message", { wallet: wallet.address }, { as: user });
    const typed = message.body.typed_data;
    for (const domain of [
      { ...typed.domain, verifyingContract: newWallet().address },
      { ...typed.domain, chainId: "1" },
      { ...typed.domain, name: "Anchor" },
      { ...typed.domain, version: "2" },
    ]) {
      const signature = await wallet.sign({ ...typed, domain });
      expect((await attempt(user, { ...body, signature })).body.error).toBe("invalid_signature");
    }
    // Of somebody who never asked for a message.
    const stranger = await world.user();
    expect((await attempt(stranger, body)).body.error).toBe("invalid_signature");
    expect((await attempt(user, body)).status).toBe(200);
  });

  test("by a signature that has expired, or is to last too long", async () => {
    const user = await world.user();
    const wallet = newWallet();
    const asked = await world.post("/api/v1/wallets/message", { wallet: wallet.address }, { as: user });
    const typed = asked.body.typed_data;
    const by = async (deadline: number) => {
      const message = { ...typed.message, deadline: `${deadline}` };
      const signature = await wallet.sign({ ...typed, message });
      const body = { wallet: wallet.address, number: 1, deadline, signature };
      const answer = await world.post("/api/v1/wallets", body, { as: user });
      return [answer.status, answer.body.details?.reason];
    };
    const day = Number(typed.message.deadline);
    expect(await by(day - 2 * DAY)).toEqual([400, "expired"]);
    expect(await by(day + 7 * DAY)).toEqual([400, "deadline"]);
    expect(await by(day + 5 * DAY)).toEqual([200, undefined]);
  });

  test("that is another user's, whoever of two comes first at one time", async () => {
    const [one, two] = [await world.user(10n), await world.user(10n)];
    const wallet = newWallet();
    const answers = await Promise.all([world.link(one, wallet), world.link(two, wallet)]);
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409]);
    expect(answers.find(({ status }) => status === 409)?.body.error).toBe("wallet_taken");
    const loser = answers[0]?.status === 409 ? one : two;
    expect(await ownerOf(loser)).toEqual([["available", `0x${"00".repeat(20)}`]]);
    expect((await world.link(loser, newWallet())).status).toBe(200);
  });

  test("twice, of two wallets at one time", async () => {
    const user = await world.user();
    const bodies = [await world.signed(user, newWallet()), await world.signed(user, newWallet())];
    const answers = await Promise.all(
      bodies.map((body) => world.post("/api/v1/wallets", body, { as: user })),
    );
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 400]);
    const lost = answers.find(({ status }) => status === 400);
    expect(lost?.body).toMatchObject({ error: "invalid_signature", details: { reason: "number" } });
  });

  test("by a name that is the ledger's own", async () => {
    const as = `wallet:${newWallet().address.toLowerCase()}`;
    expect(
      (await world.post("/api/v1/wallets/message", { wallet: newWallet().address }, { as })).status,
    ).toBe(401);
    expect((await world.get("/api/v1/wallets", { as: "@treasury" })).status).toBe(401);
  });

  test("by an operator for a user", async () => {
    const wallet = newWallet();
    const user = await world.user();
    const body = await world.signed(user, wallet);
    for (const path of ["/api/v1/wallets", "/api/v1/wallets/message"])
      expect((await world.post(path, body, { as: "op", roles: ["operator"] })).status).toBe(403);
    const asTreasury = await world.post("/api/v1/admin/treasury/wallet", body, {
      as: "op",
      roles: ["operator"],
    });
    expect(asTreasury.body.error).toBe("invalid_signature");
  });

  test("of the treasury by a user; an operator links it, with the wallet's signature", async () => {
    const wallet = newWallet();
    const path = "/api/v1/admin/treasury/wallet";
    expect((await world.post(`${path}/message`, { wallet: wallet.address }, { as: "eve" })).status).toBe(403);
    const op = { as: "op", roles: ["operator"] };
    const { body } = await world.post(`${path}/message`, { wallet: wallet.address }, op);
    const { number, deadline } = body.typed_data.message;
    const signature = await wallet.sign(body.typed_data);
    const link = { wallet: wallet.address, number: Number(number), deadline: Number(deadline), signature };
    expect((await world.post(path, link, op)).body.status).toBe("linked");
    expect((await world.get(path, op)).body.wallet).toBe(wallet.address);
    const [row] = await world.rows<{ owner: string }>(
      "SELECT '0x' || encode(p.owner, 'hex') AS owner FROM position p JOIN account a ON a.id = p.account WHERE a.role = 'treasury'",
    );
    expect(row?.owner).toBe(wallet.address.toLowerCase());
  });
});

describe("a contract wallet", () => {
  const contractWallet = (address: string, by: Signing, more = ""): Signing => ({
    address,
    sign: async (typed) => `${await by.sign(typed)}${more}`,
  });

  test("signs as its contract says (EIP-1271), with more bytes than a key's", async () => {
    const key = newWallet();
    const user = await world.user(10n);
    const address = await deployWallet("OwnedWallet", signer(), key.address);
    const { status, body } = await world.link(user, contractWallet(address, key, "ab".repeat(300)));
    expect([status, body.status]).toEqual([200, "linked"]);
    expect(await ownerOf(user)).toEqual([["available", address]]);
  });

  test("does not sign by another key, nor where its contract answers anything but a yes", async () => {
    const key = newWallet();
    const user = await world.user();
    const owned = await deployWallet("OwnedWallet", signer(), newWallet().address);
    const kinds = ["SloppyWallet", "ShortWallet", "AngryWallet"] as const;
    const others = [];
    for (const kind of kinds) others.push(await deployWallet(kind, signer()));
    for (const address of [owned, ...others, world.record.token.toLowerCase(), newWallet().address])
      expect((await world.link(user, contractWallet(address, key))).body.error).toBe("invalid_signature");
  });

  test("is checked as of the block at which it was asked, whatever it says later", async () => {
    const key = newWallet();
    const user = await world.user();
    const address = (await deployWallet("OwnedWallet", signer(), key.address)) as Hex;
    const wallet = contractWallet(address, key);
    expect((await world.link(user, wallet)).status).toBe(200);
    const contract = new Contract(address, ["function setOwner(address)"], signer());
    await mined(contract.getFunction("setOwner")(newWallet().address));
    const { body } = await world.post(
      "/api/v1/wallets/message",
      { wallet: newWallet().address },
      { as: user },
    );
    const digest = body.digest;
    const signature = (await wallet.sign(body.typed_data)) as Hex;
    const newest = () => world.chain.provider.getBlockNumber();
    expect(
      await checkWalletSignature(world.chain, { wallet: address, digest, signature }, newest),
    ).toBeNull();
    // What was signed before stands: the audit at the end of this file asks as of the block in the statement.
  });

  test("says the same to everybody: it is asked with the same gas by all, as of a block that is final", async () => {
    const key = newWallet();
    const user = await world.user();
    world.chainSays.finalBlock = await world.chain.provider.getBlockNumber();
    const address = await deployWallet("MoodyWallet", signer());
    const wallet = contractWallet(address, key);
    expect((await world.link(user, wallet)).body.error).toBe("invalid_signature");
    world.chainSays.finalBlock += 1;
    await world.chain.provider.send("anvil_mine", ["0x2"]);
    expect((await world.link(user, wallet)).body.status).toBe("linked");
    const [line] = await world.rows<{ statement: Hex }>(
      `SELECT signatures ->> 0 AS statement FROM position_change WHERE signatures IS NOT NULL ORDER BY seq DESC LIMIT 1`,
    );
    const statement = parseStatement(line?.statement ?? "0x");
    expect(statement).toMatchObject({ kind: "link", block: BigInt(world.chainSays.finalBlock) });
    delete world.chainSays.finalBlock;
  });

  const signer = () => {
    const { signer: sends } = world.chain;
    if (!sends) throw new Error("the test's chain has a signer");
    return sends;
  };
});

describe("the routes", () => {
  test("let nobody in who may not, and bear malformed input", { timeout: 120_000 }, async () => {
    const routes = world.routes.filter(({ tags }) => tags.includes("Wallets"));
    const target = { baseUrl: world.url, routes };
    const [access, input] = [await attackAccess(target), await attackInput(target)];
    expect([...access.breaches, ...input.breaches]).toEqual([]);
    expect(access.requests).toBeGreaterThan(100);
  });
});

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Wallet } from "ethers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { auditRoutes, logRoutes, settlementRoutes } from "#api";
import { runCli } from "#cli";
import { Book, checkDeployment, type DeploymentRecord } from "#infra";
import { createWorld, TST, type World } from "../settlement/world.ts";
import { startAnvil } from "../support/anvil.ts";
import { startApi, type TestApi } from "../support/api-app.ts";
import { TEST_JWT_SECRET } from "../support/tokens.ts";

let world: World;
let api: TestApi;
const folder = mkdtempSync(join(tmpdir(), "anchorbook-cli-"));

beforeAll(async () => {
  world = await createWorld();
  api = await startApi([
    ...settlementRoutes({
      ...{ settlement: world.settlement, ledger: world.ledger, publicRpcUrl: world.anvil.rpcUrl },
      findPosition: async (section, id) =>
        section === "locks"
          ? world.position("locks", "user_a", id)
          : section === "balances"
            ? world.position("balances", id)
            : null,
    }),
    ...auditRoutes(world.settlement),
    ...logRoutes({ log: world.settlement.log, ledger: "default" }),
  ]);
});
afterAll(async () => {
  await api?.close();
  await world?.close();
  rmSync(folder, { recursive: true, force: true });
});

const ADDRESSES = ["1", "2", "3"].map((digit) => `0x${digit.repeat(40)}`) as [string, string, string];
const PARTIES = ["--attester", ADDRESSES[0], "--guardian", ADDRESSES[1], "--admin", ADDRESSES[2]];

async function cli(args: string[], env: Record<string, string> = {}) {
  const [out, err]: [string[], string[]] = [[], []];
  const io = {
    stdout: { write: (text: string) => out.push(text) },
    stderr: { write: (text: string) => err.push(text) },
    env: { JWT_SECRET: TEST_JWT_SECRET, ANCHORBOOK_API: api.url, ...env },
  } as unknown as Parameters<typeof runCli>[1];
  const code = await runCli(args, io);
  return { code, out: out.join(""), err: err.join("") };
}

describe("anchorbook settle, proof, verify and audit", () => {
  it("settle, save a proof, and check it without and with the chain", async () => {
    const nothing = await cli(["settle", "--json"]);
    expect(JSON.parse(nothing.out)).toMatchObject({ epoch: 1, status: "final" });
    await world.grant("user_a", 100n * TST);
    await world.lock("user_a", "agreement-1", 60n * TST);
    const settled = await cli(["settle"]);
    expect(settled).toMatchObject({ code: 0, out: expect.stringMatching(/^final: epoch 2, header 0x/) });
    expect((await cli(["settle"])).out).toMatch(/^nothing new since epoch 2/);

    const file = join(folder, "proof.json");
    const saved = await cli(["proof", "locks", "agreement-1", "--out", file]);
    expect(saved).toMatchObject({ code: 0, out: `saved the proof as of epoch 2: ${file}\n` });
    expect((await cli(["verify", file])).code).toBe(0);
    const online = await cli(["verify", file, "--rpc", world.anvil.rpcUrl, "--json"]);
    expect(JSON.parse(online.out)).toMatchObject({ valid: true });
    const told = await cli(["proof", "locks", "agreement-1", "--out", file, "--json"]);
    expect(JSON.parse(told.out)).toEqual({ section: "locks", id: "agreement-1", epoch: 2, file });
    const printed = await cli(["proof", "balances", "user_a", "--epoch", "2", "--out", "-"]);
    expect(JSON.parse(printed.out).leaf.amount).toBe(`${40n * TST}`);
    expect((await cli(["audit", "--json"])).code).toBe(0);
  });

  it("audit --json says in its own form that a side cannot be read", async () => {
    for (const args of [
      ["--rpc", "http://127.0.0.1:1"],
      ["--rpc", world.anvil.rpcUrl, "--api", "http://127.0.0.1:1"],
      ["--api", "http://127.0.0.1:1"],
      ["--registry", "0x52908400098527886E0F7030069857D2E4169EE7"],
    ]) {
      const { code, out } = await cli(["audit", "--json", ...args]);
      expect(code).toBe(1);
      expect(JSON.parse(out)).toEqual({
        ...{ valid: false, epochs: 0, lines: 0, stopped: null },
        checks: [{ name: "readable", ok: false, detail: expect.any(String) }],
      });
    }
  });

  it("audit and attest say of a folder that cannot be used which it is, why, and what to do", async () => {
    const taken = (name: string, what: "file" | "folder") => {
      const state = mkdtempSync(join(folder, "state-"));
      if (what === "file") writeFileSync(join(state, name), "something else");
      else mkdirSync(join(state, name));
      return state;
    };
    const lockFolder = taken("folder.lock", "folder");
    const lockFile = taken("folder.lock", "file");
    const stateFolder = taken("audit-state", "folder");
    const stateFile = taken("audit-state", "file");
    const key = join(folder, "attester");
    writeFileSync(key, `0x${"5a".repeat(32)}`);
    const book = ["--rpc", world.anvil.rpcUrl, "--registry", world.record.registry];
    for (const [state, says] of [
      [
        "/proc/self",
        "nothing can be written in the folder /proc/self: the system lets nobody make a file there; name",
      ],
      [join(key, "x"), `no folder can be made at ${key}: there is a file of that name; name another folder`],
      [
        lockFolder,
        `nothing can be written in the folder ${lockFolder}: folder.lock in it is a folder; remove that`,
      ],
      [
        lockFile,
        `${lockFile} cannot be locked: ${lockFile}/folder.lock is no lock of Anchorbook's; remove it`,
      ],
      [stateFolder, `${stateFolder}/audit-state is damaged: it is a folder. Remove it`],
      [stateFile, `${stateFile}/audit-state is damaged: it is cut off. Remove it`],
    ] as const)
      for (const command of [["audit"], ["attest", "--key-file", key]]) {
        const { code, err } = await cli([...command, ...book, "--state", state]);
        expect([state, code, err]).toEqual([state, 1, expect.stringContaining(`${command[0]}: ${says}`)]);
      }
  });

  it("audit names the node and the chain where there is no such contract, and asks a node that is named twice once", async () => {
    const nowhere = ["--registry", "0x52908400098527886E0F7030069857D2E4169EE7"];
    const { host } = new URL(world.anvil.rpcUrl);
    const without = await cli(["audit", "--rpc", world.anvil.rpcUrl, ...nowhere]);
    expect(without.err).toContain(`${host} has no contract at ${nowhere[1]} on chain 31337`);
    const { port } = new URL(world.anvil.rpcUrl);
    const same = [
      `http://localhost:${port}`,
      ...["[::1]", "[::]", "0.0.0.0", "0", "127.1", "[::ffff:127.0.0.1]", "localhost."].map(
        (host) => `http://${host}:${port}`,
      ),
      `${world.anvil.rpcUrl}//`,
      world.anvil.rpcUrl,
    ];
    const { code, out, err } = await cli(["audit", ...same.flatMap((url) => ["--rpc", url]), "--json"]);
    expect([code, err]).toEqual([0, expect.stringMatching(/^note: --rpc names one and the same node/)]);
    const names = JSON.parse(out).checks.map(({ name }: { name: string }) => name);
    expect(names).toContain("code");
    expect(names).not.toContain("rpcs");
  });

  it("say what is missing or wrong", async () => {
    expect(await cli(["proof", "balances", "user_a", "--out", "/proc/x"])).toMatchObject({
      ...{ code: 1, err: "anchorbook proof: /proc/x cannot be written: no file can be made in /proc\n" },
    });
    expect(await cli(["proof", "balances", "user_a", "--out", "/proc/x/y"])).toMatchObject({
      ...{ code: 1, err: expect.stringContaining("there is no folder /proc/x\n") },
    });
    expect((await cli(["proof", "balances", "user_a", "--out", folder])).err).toBe(
      `anchorbook proof: ${folder} cannot be written: it is a folder, and a file is needed\n`,
    );
    const missing = await cli(["proof", "locks", "agreement-7", "--out", "-"]);
    expect(missing).toMatchObject({ code: 1, out: "", err: expect.stringContaining("not_found") });
    const uncommitted = "Epoch 99 is not committed; the newest that is: 2";
    const late = await cli(["proof", "locks", "agreement-1", "--epoch", "99", "--out", "-"]);
    expect(late).toMatchObject({ code: 1, err: `anchorbook proof: not_found: ${uncommitted}\n` });
    const answer = await fetch(`${api.url}/api/v1/proofs/locks/agreement-1?epoch=99`);
    expect(await answer.json()).toMatchObject({ status: 404, detail: uncommitted });
    const huge = await cli(["proof", "locks", "agreement-1", "--epoch", "9".repeat(16)]);
    expect(huge).toMatchObject({ code: 2, err: expect.stringContaining("from 1, of at most 15 digits\n") });
    for (const args of [
      ["proof"],
      ["proof", "houses", "x"],
      ["proof", "locks", "x", "y"],
      ["proof", "locks", "x", "--epoch", "0"],
      ["settle", "--now"],
      ["deploy", "--please"],
      ["deploy", "--window", "4d"],
      ["deploy", "--window", "soon"],
      ["deploy", "--window", "24h"],
      ["deploy", "--window", "24h", "--attester", ADDRESSES[0]],
      ["deploy", "--window", "24h", "--attester", ADDRESSES[0], "--guardian", ADDRESSES[1]],
      ["deploy", "--window", "24h", ...PARTIES, "--threshold", "0"],
      ["deploy", "--window", "24h", ...PARTIES, "--threshold", "2"],
      ["deploy", "--window", "24h", ...PARTIES, "--attester", ADDRESSES[1]],
      ["deploy", "--attester", ADDRESSES[0], "--attester", ADDRESSES[0]],
      ["deploy", "--attester", "0x12"],
      // The right checksum ends in a large C.
      ["deploy", "--window", "0", "--attester", "0x70997970C51812dc3A010C7d01b50e0d17dc79c8"],
      ["deploy", "--threshold", "1"],
      ["deploy", "--attester", ADDRESSES[0]],
    ])
      expect((await cli(args)).code, args.join(" ")).toBe(2);
    for (const [args, says] of [
      [["--window", "24h"], "--window needs --attester ADDRESS, --guardian ADDRESS and --admin ADDRESS: "],
      [["--window", "24h", ...PARTIES.slice(0, 4)], "--window needs --admin ADDRESS: "],
      [["--attester", ADDRESSES[0]], "--attester needs --window: "],
    ] as const)
      expect((await cli(["deploy", ...args])).err).toContain(`anchorbook deploy: ${says}`);
  });
});

describe("anchorbook deploy", () => {
  it("deploys a book, writes its addresses, and does not do it twice by accident", async () => {
    const file = join(folder, "deployed", "contracts.json");
    const env = {
      RPC_URL: world.anvil.rpcUrl,
      OPERATOR_PRIVATE_KEY: world.anvil.privateKeys[1] ?? "",
      CONTRACTS_FILE: file,
    };
    const deployed = await cli(["deploy", "--json"], env);
    expect(deployed.code).toBe(0);
    expect(deployed.err).not.toContain("warning");
    const record = JSON.parse(readFileSync(file, "utf8")) as DeploymentRecord;
    expect(JSON.parse(deployed.out)).toEqual(record);
    await expect(checkDeployment(world.chain, record)).resolves.toBeUndefined();
    const again = await cli(["deploy"], env);
    expect(again).toMatchObject({ code: 1, err: expect.stringContaining("--force") });
    expect((await cli(["deploy", "--force"], env)).code).toBe(0);
    expect(JSON.parse(readFileSync(file, "utf8")).registry).not.toBe(record.registry);
    const without: [string[], string][] = [
      [["CONTRACTS_FILE"], "CONTRACTS_FILE"],
      [["RPC_URL", "OPERATOR_PRIVATE_KEY"], "RPC_URL and OPERATOR_PRIVATE_KEY"],
      [Object.keys(env), "RPC_URL, OPERATOR_PRIVATE_KEY and CONTRACTS_FILE"],
    ];
    for (const [missing, says] of without) {
      const set = Object.entries(env).filter(([name]) => !missing.includes(name));
      const refused = await cli(["deploy"], Object.fromEntries(set));
      const where = missing.includes("CONTRACTS_FILE")
        ? "; CONTRACTS_FILE is where the addresses are written, such as contracts.json"
        : "";
      expect(refused).toMatchObject({ code: 1, err: `anchorbook deploy: set ${says}${where}\n` });
    }
  });

  it("deploys one with a window, attesters and a guardian", async () => {
    const file = join(folder, "windowed", "contracts.json");
    const deployed = await cli(["deploy", "--window", "24h", ...PARTIES], {
      RPC_URL: world.anvil.rpcUrl,
      OPERATOR_PRIVATE_KEY: world.anvil.privateKeys[1] ?? "",
      CONTRACTS_FILE: file,
    });
    const operator = await new Wallet(world.anvil.privateKeys[1] ?? "").getAddress();
    const record = JSON.parse(readFileSync(file, "utf8")) as DeploymentRecord;
    expect([deployed.code, deployed.out]).toEqual([
      0,
      `window     86400 s
attesters  1 of ${ADDRESSES[0]} must sign
committer  ${operator}, the operator
guardian   ${ADDRESSES[1]}
admin      ${ADDRESSES[2]}
deployed: registry ${record.registry}, token ${record.token}, on chain 31337; written to ${file}
`,
    ]);
    expect(record.challenge_window_seconds).toBe(86_400);
    await expect(checkDeployment(world.chain, record)).resolves.toBeUndefined();
    expect(await new Book(world.chain, record).rules()).toEqual({
      ...{ windowSeconds: 86_400, threshold: 1, attesters: [ADDRESSES[0]] },
    });
    const signed = await cli(["deploy", "--force", "--window", "0", "--attester", ADDRESSES[0]], {
      RPC_URL: world.anvil.rpcUrl,
      OPERATOR_PRIVATE_KEY: world.anvil.privateKeys[1] ?? "",
      CONTRACTS_FILE: file,
    });
    const terms = `window     none\nattesters  1 of ${ADDRESSES[0]} must sign\ncommitter  ${operator}, the operator\nguardian   ${operator}, the operator\n`;
    expect([signed.code, signed.out]).toEqual([0, expect.stringContaining(terms)]);
    const wrong = { ...record, challenge_window_seconds: 60 };
    await expect(checkDeployment(world.chain, wrong)).rejects.toThrow("the challenge window is 86400 s");
  });

  it("deploys a book with a token on another chain without a window only where that is said, and warns", async () => {
    const anvil = await startAnvil(["--chain-id", "4242"]);
    const file = join(folder, "elsewhere", "contracts.json");
    try {
      const env = {
        RPC_URL: anvil.rpcUrl,
        OPERATOR_PRIVATE_KEY: anvil.privateKeys[0],
        CONTRACTS_FILE: file,
      };
      const refused = await cli(["deploy"], env);
      expect(refused).toMatchObject({ code: 1, err: expect.stringMatching(/--window 24h with --attester/) });
      expect(existsSync(file)).toBe(false);
      const deployed = await cli(["deploy", "--window", "0"], env);
      expect(deployed).toMatchObject({
        code: 0,
        err: expect.stringMatching(/no challenge window and no attesters/),
      });
    } finally {
      await anvil.stop();
    }
  });
});

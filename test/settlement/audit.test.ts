import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { auditRoutes, logRoutes, settlementRoutes } from "#api";
import { runCli } from "#cli";
import { createClient, deployContracts } from "#infra";
import { SECTIONS, type Section } from "#proof";
import { startAnvil } from "../support/anvil.ts";
import { startApi, type TestApi } from "../support/api-app.ts";
import { startRpcRelay } from "./rpc-relay.ts";
import { createWorld, TST, type World } from "./world.ts";

let world: World;
let api: TestApi;
/** Put back after each test. */
const repairs: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  world = await createWorld();
  api = await startApi([
    ...settlementRoutes({
      ...{ settlement: world.settlement, ledger: world.ledger, publicRpcUrl: world.anvil.rpcUrl },
      findPosition: async () => null,
    }),
    ...auditRoutes(world.settlement),
    ...logRoutes({ log: world.settlement.log, ledger: "default" }),
  ]);
  for (const round of [1, 2, 3]) {
    for (const user of ["a", "b", "c"]) {
      await world.grant(`user_${user}`, 100n * TST);
      await world.lock(`user_${user}`, `agreement-${round}`, BigInt(10 * round) * TST);
    }
    await world.stake("user_a", `strategy-${round}`, 5n * TST);
    // An account that is opened and closed, so that the journal has a line of every kind.
    await world.ledger.submit({
      name: "brief",
      decide: (view) =>
        view.closeAccount(view.openAccount({ asset: "TST", role: "available", owner: `brief_${round}` })),
    });
    if (round === 3) await world.release("user_b", "agreement-1", 10n * TST);
    await world.settlement.run();
  }
});
afterEach(async () => {
  for (const repair of repairs.splice(0).toReversed()) await repair();
});
afterAll(async () => {
  await api?.close();
  await world?.close();
});

interface AuditAnswer {
  valid: boolean;
  epochs: number;
  lines: number;
  checks: { name: string; ok: boolean; detail: string; epoch?: number; section?: string; index?: number }[];
}

async function cli(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const [out, err]: [string[], string[]] = [[], []];
  const stdout = { write: (text: string) => out.push(text) };
  const stderr = { write: (text: string) => err.push(text) };
  const code = await runCli(args, { stdout, stderr, env: {} } as unknown as Parameters<typeof runCli>[1]);
  return { code, out: out.join(""), err: err.join("") };
}

async function audit(...args: string[]): Promise<AuditAnswer & { code: number }> {
  const { code, out, err } = await cli(
    ...["audit", "--api", api.url, "--rpc", world.anvil.rpcUrl, "--json", ...args],
  );
  if (out === "") throw new Error(err);
  return { code, ...(JSON.parse(out) as AuditAnswer) };
}

async function expectLie(lie: Partial<AuditAnswer["checks"][number]>, ...args: string[]) {
  const found = await audit(...args);
  expect(found).toMatchObject({ code: 1, valid: false });
  expect(found.checks.at(-1)).toMatchObject({ ok: false, ...lie });
  expect(found.checks.slice(0, -1).every(({ ok }) => ok)).toBe(true);
}

async function publishedFile(epoch: number, section: Section): Promise<string> {
  const found = await world.settlement.epoch(epoch);
  return join(world.folder, found?.headerHash ?? "", `leaves-${section}.ndjson`);
}

async function tamper(epoch: number, section: Section, change: (text: string) => string): Promise<void> {
  const path = await publishedFile(epoch, section);
  const before = readFileSync(path, "utf8");
  repairs.push(() => writeFileSync(path, before));
  writeFileSync(path, change(before));
}

/** As the superuser, past every rule of the database. */
async function inDatabase(statement: string, values: unknown[] = []) {
  const { adminUrl, schema } = world.database;
  const client = createClient({ url: adminUrl, schema, applicationName: "audit-test" });
  await client.connect();
  try {
    await client.query("SET session_replication_role = replica");
    return (await client.query(statement, values)).rows;
  } finally {
    await client.end();
  }
}

describe("an audit", () => {
  it("finds that everything agrees, and says so for machines and for people", async () => {
    const { code, valid, epochs, lines, checks } = await audit("--registry", world.record.registry);
    expect({ code, valid, epochs }).toEqual({ code: 0, valid: true, epochs: 3 });
    expect(lines).toBe((await world.settlement.epoch(3))?.journalSize);
    expect(checks.map(({ name }) => name)).toEqual([
      "contracts",
      "code",
      "header_chain",
      "api_epochs",
      "journal",
      "leaves",
      "roots",
      "checkpoints",
      "chain_lines",
      "entries",
      "owners",
      "moves",
      "demands",
      "custody",
      "final_roots",
      "netting",
      "attestations",
    ]);
    const human = await cli("audit", "--api", api.url);
    expect(human.code).toBe(0);
    expect(human.out).toMatch(/^ok {4}contracts .*unpinned/);
    expect(human.out).toMatch(/\nvalid: 3 epochs, \d+ journal lines; the registry is the API's own word/);
  });

  it("names the place of a changed amount", async () => {
    await tamper(2, "locks", (text) => text.replace(`"amount":"${20n * TST}"`, `"amount":"${21n * TST}"`));
    await expectLie({ name: "leaves", epoch: 2, section: "locks", index: 3 });
    const human = await cli("audit", "--api", api.url, "--rpc", world.anvil.rpcUrl);
    expect(human.code).toBe(1);
    expect(human.out).toMatch(
      /FAIL {2}leaves .*epoch 2, section locks, index 3: amount is published as 21000/,
    );
  });

  it("names the place of any changed byte of any leaf file", async () => {
    for (const epoch of [1, 2, 3])
      for (const section of SECTIONS) {
        const text = readFileSync(await publishedFile(epoch, section), "utf8");
        if (text === "") continue;
        const lines = text.split("\n");
        for (const share of [0.2, 0.7]) {
          const at = Math.floor(share * (text.length - 1));
          const line = text.slice(0, at).split("\n").length - 1;
          const changed = text[at] === "7" ? "8" : "7";
          await tamper(epoch, section, (whole) => `${whole.slice(0, at)}${changed}${whole.slice(at + 1)}`);
          const index = Number(JSON.parse(lines[line] ?? "{}").index);
          const found = await audit();
          expect(found.valid, `byte ${at} of ${section} in epoch ${epoch}`).toBe(false);
          expect(found.checks.at(-1)).toMatchObject({ name: "leaves", epoch, section });
          expect([index, 7, 8]).toContain(found.checks.at(-1)?.index);
          for (const repair of repairs.splice(0)) await repair();
        }
      }
  });

  it("names a leaf that is missing, and one that is too many", async () => {
    await tamper(1, "balances", (text) => text.split("\n").slice(1).join("\n"));
    await expectLie({ name: "leaves", epoch: 1, section: "balances", index: 0 });
    for (const repair of repairs.splice(0)) await repair();
    await tamper(3, "stakes", (text) => `${text}${text.replace('"index":"2"', '"index":"3"')}`);
    await expectLie({ name: "leaves", epoch: 3, section: "stakes", index: 3 });
    for (const repair of repairs.splice(0)) await repair();
    await tamper(3, "stakes", (text) => text.slice(0, -1));
    await expectLie({ name: "leaves", epoch: 3, section: "stakes" });
  });

  it("names the epoch of a journal line that was changed, and the line that was taken out", async () => {
    const size = (await world.settlement.epoch(1))?.journalSize ?? 0;
    const before = await inDatabase("SELECT amount FROM transfer WHERE seq = $1", [size]);
    repairs.push(async () => {
      await inDatabase("UPDATE transfer SET amount = $2 WHERE seq = $1", [size, before[0].amount]);
    });
    await inDatabase("UPDATE transfer SET amount = amount + 1 WHERE seq = $1", [size]);
    await expectLie({ name: "journal", epoch: 2 });
    const check = (await audit()).checks.at(-1);
    expect(check?.detail).toContain(`lines ${size} to`);
  });

  it("names an epoch whose header the API shows otherwise", async () => {
    const [row] = await inDatabase("SELECT header, header_hash FROM epoch WHERE number = 2");
    repairs.push(async () => {
      await inDatabase("UPDATE epoch SET header = $1, header_hash = $2 WHERE number = 2", [
        JSON.stringify(row.header),
        row.header_hash,
      ]);
    });
    const header = { ...row.header, closed_at: `${BigInt(row.header.closed_at) + 1n}` };
    await inDatabase("UPDATE epoch SET header = $1 WHERE number = 2", [JSON.stringify(header)]);
    await expectLie({ name: "api_epochs", epoch: 2 });
  });

  it("names an epoch whose commit the API makes up", async () => {
    const [row] = await inDatabase("SELECT tx_hash FROM outbox WHERE epoch = 1 AND kind = 'commit'");
    repairs.push(async () => {
      await inDatabase("UPDATE outbox SET tx_hash = $1 WHERE epoch = 1 AND kind = 'commit'", [row.tx_hash]);
    });
    const madeUp = `0x${"ab".repeat(32)}`;
    await inDatabase("UPDATE outbox SET tx_hash = $1 WHERE epoch = 1 AND kind = 'commit'", [madeUp]);
    await expectLie({ name: "api_epochs", epoch: 1 });
  });

  it.each([
    ["journal_size", "epoch", "journal_size = journal_size - 1", "api_epochs"],
    ["closed_at", "epoch", "closed_at = closed_at - 1", "api_epochs"],
    ["leaves_changed", "epoch", "leaves_changed = leaves_changed + 1", "leaves"],
    ["status", "epoch", "status = 'sent'", "api_epochs"],
    ["block_number", "outbox", "block_number = block_number + 1", "api_epochs"],
    ["finalize_tx_hash", "outbox", `tx_hash = '0x${"ab".repeat(32)}'`, "api_epochs"],
  ])("names an epoch of which the API makes up the %s", async (member, table, change, check) => {
    const where =
      table === "epoch"
        ? "number = 2"
        : `epoch = 2 AND kind = '${member === "finalize_tx_hash" ? "finalize" : "commit"}'`;
    const column = change.split(" ")[0] as string;
    const [row] = await inDatabase(`SELECT ${column} AS value FROM ${table} WHERE ${where}`);
    repairs.push(async () => {
      await inDatabase(`UPDATE ${table} SET ${column} = $1 WHERE ${where}`, [row.value]);
    });
    await inDatabase(`UPDATE ${table} SET ${change} WHERE ${where}`);
    await expectLie({ name: check, epoch: 2 });
  });

  it("names the leaf that the whole of the newest epoch has otherwise", async () => {
    // The newest version of that leaf is of epoch 2, whose file is served as it was published.
    const place = "section = 1 AND index = 4 AND epoch = 2";
    await inDatabase(`UPDATE leaf SET amount = amount + 1 WHERE ${place}`);
    repairs.push(async () => {
      await inDatabase(`UPDATE leaf SET amount = amount - 1 WHERE ${place}`);
    });
    await expectLie({ name: "leaves", epoch: 3, section: "locks", index: 4 });
  });

  it("is not fooled by another registry", async () => {
    const other = await deployContracts(world.chain, { windowSeconds: 0, attesters: [] });
    await expectLie({ name: "contracts" }, "--registry", other.registry);
  });

  it("says what cannot be read, and is called wrongly with exit code 2", async () => {
    const away = await cli("audit", "--api", "http://127.0.0.1:9", "--rpc", world.anvil.rpcUrl);
    expect(away).toMatchObject({ code: 1, out: "" });
    expect(away.err).toContain("no server answers");
    for (const args of [["--rpc", "ftp://x"], ["--registry", "0x12"], ["--nonsense"]])
      expect((await cli("audit", ...args)).code).toBe(2);
  });
});

describe("an audit beside a settlement that goes on", () => {
  it.each(["keeps", "forgets"])("finds that everything agrees, where the node %s old state", async (does) => {
    const anvil = does === "keeps" ? startAnvil() : startAnvil(["--prune-history", "1"]);
    const busy = await createWorld(() => anvil);
    const busyApi = await startApi([
      ...settlementRoutes({
        ...{ settlement: busy.settlement, ledger: busy.ledger, publicRpcUrl: null },
        findPosition: async () => null,
      }),
      ...auditRoutes(busy.settlement),
      ...logRoutes({ log: busy.settlement.log, ledger: "default" }),
    ]);
    let calls = 0;
    // An epoch comes between two reads, five times over.
    const node = await startRpcRelay(busy.anvil.rpcUrl, async (method) => {
      if (method !== "eth_call" || ++calls % 9 !== 0 || calls > 45) return;
      await busy.grant("user_a", TST);
      await busy.settlement.run();
    });
    try {
      await busy.grant("user_a", TST);
      await busy.settlement.run();
      const { out } = await cli("audit", "--api", busyApi.url, "--rpc", node.url, "--json");
      const found = JSON.parse(out) as AuditAnswer;
      expect(found.checks.filter(({ ok }) => !ok)).toEqual([]);
      expect(found.valid).toBe(true);
      expect(calls).toBeGreaterThan(9);
    } finally {
      await node.close();
      await busyApi.close();
      await busy.close();
    }
  });
});

describe("an operator who commits what the journal does not say", () => {
  it("is found out: the epoch, the section and the leaf are named", async () => {
    // Moved between two users past the journal: sums, custody and the contract are content.
    await world.grant("user_a", TST);
    await world.grant("user_c", TST);
    const account = (user: string) => world.position("balances", user).accountId;
    const move = async (by: bigint) => {
      await inDatabase("UPDATE account SET credits_posted = credits_posted + $2 WHERE id = $1", [
        account("user_a"),
        by,
      ]);
      await inDatabase("UPDATE account SET credits_posted = credits_posted - $2 WHERE id = $1", [
        account("user_c"),
        by,
      ]);
    };
    await move(7n * TST);
    const { epoch } = await world.settlement.run();
    expect(epoch).toMatchObject({ epoch: 4, status: "final" });
    const found = await audit();
    expect(found).toMatchObject({ valid: false, code: 1 });
    expect(found.checks.at(-1)).toMatchObject({ name: "leaves", epoch: 4, section: "balances", index: 1 });
  });
});

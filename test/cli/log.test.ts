/** `anchorbook log` against a real log, honest and not. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { logRoutes } from "#api";
import { runCli } from "#cli";
import { systemClock } from "#kernel";
import { formatCheckpoint, formatNote, formatVerifierKey, LogTree } from "#proof";
import { createLogSigner, createWitnessAsker, type JournalLog } from "#settlement";
import { createWorld, TEST_LOG_SIGNER, TST, type World } from "../settlement/world.ts";
import { startApi, type TestApi } from "../support/api-app.ts";
import { startWitness, witnessKey } from "../support/tlog-witness.ts";

const KEY = formatVerifierKey(TEST_LOG_SIGNER.key);
const WITNESS = witnessKey("witness.example/w", 5);
const folder = mkdtempSync(join(tmpdir(), "anchorbook-log-cli-"));
const at = (name: string) => join(folder, name);

let world: World;
/** Takes the witness's cosignatures. */
let log: JournalLog;
let api: TestApi;

beforeAll(async () => {
  world = await createWorld();
  ({ log } = await world.open({ witnesses: [WITNESS.key] }));
  api = await startApi(logRoutes({ log, ledger: "default" }));
}, 60_000);
afterAll(async () => {
  await api?.close();
  await world?.close();
  rmSync(folder, { recursive: true, force: true });
});

const cli = (args: string[], server = api.url) => anchorbook(["log", ...args], server);

async function anchorbook(args: string[], server = api.url) {
  const [out, err]: [string[], string[]] = [[], []];
  const io = {
    stdout: { write: (text: string) => out.push(text) },
    stderr: { write: (text: string) => err.push(text) },
    env: { ANCHORBOOK_API: server },
  } as unknown as Parameters<typeof runCli>[1];
  const code = await runCli(args, io);
  return { code, out: out.join(""), err: err.join("") };
}

/** A server that shows another log under the same name and key: what a lying operator would. */
function lyingLog(size: number, served: Partial<JournalLog> = {}): JournalLog {
  const tree = new LogTree();
  for (let number = 0; number < size; number++) tree.append(`{"forged":"${number}"}`);
  const text = formatCheckpoint({
    ...{ origin: TEST_LOG_SIGNER.origin, size: BigInt(size) },
    root: tree.rootAt(BigInt(size)),
  });
  const note = formatNote({ text, signatures: [TEST_LOG_SIGNER.sign(text)] });
  const checkpoint = {
    ...{ size, note, root: tree.rootAt(BigInt(size)), verifierKey: KEY, signedAt: 0, cosignatures: [] },
  };
  return {
    ...world.settlement.log,
    latest: async () => checkpoint,
    checkpoint: async () => checkpoint,
    consistency: async (from) => ({
      from: { size: from, root: tree.rootAt(BigInt(from)) },
      to: { size, root: tree.rootAt(BigInt(size)) },
      proof: tree.consistencyProof(BigInt(from), BigInt(size)),
    }),
    ...served,
  };
}

async function against(log: JournalLog, args: string[]) {
  const server = await startApi(logRoutes({ log, ledger: "default" }));
  try {
    return await cli(args, server.url);
  } finally {
    await server.close();
  }
}

describe("anchorbook log", () => {
  it("says what is missing before the first epoch", async () => {
    const { code, err } = await cli(["checkpoint", "--key", KEY]);
    expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(/no epoch is closed yet/) });
  });

  it("fetches and checks checkpoints, and that the log only grew between them", async () => {
    await world.grant("user_a", 100n * TST);
    await world.settlement.run();
    const first = await cli(["checkpoint", "--out", at("first")]);
    expect(first.code).toBe(0);
    expect(first.out).toMatch(/ok {4}checkpoint {2}log\.example\/test signs \d+ lines/);
    expect(first.out).toMatch(/API's own word/);
    await world.lock("user_a", "agreement-1", 60n * TST);
    await world.settlement.run();
    const second = await cli(["checkpoint", "--key", KEY, "--since", at("first"), "--out", at("second")]);
    expect(second.code).toBe(0);
    expect(second.out).toMatch(/ok {4}consistency {1,2}the log of \d+ lines begins with that of \d+ lines/);
    expect(second.out).not.toMatch(/own word/);
    const back = await cli(["checkpoint", "--key", KEY, "--since", at("second"), "--size", "4"]);
    expect(back).toMatchObject({ code: 1 });
    const readme = await cli(["checkpoint", "--key", KEY, "--since", "README.md"]);
    expect(readme).toMatchObject({
      code: 1,
      err: expect.stringMatching(/README\.md is no checkpoint of this log/),
    });
  });

  it("saves the proof of a line, which holds without a server", async () => {
    const saved = await cli(["prove", "2", "--key", KEY, "--out", at("line.tlog-proof")]);
    expect(saved).toMatchObject({
      code: 0,
      out: expect.stringMatching(/ok {4}inclusion {3}the line is number 2/),
    });
    const verified = await cli(
      ["verify", at("line.tlog-proof"), "--key", KEY, "--json"],
      "http://127.0.0.1:1",
    );
    expect(verified.code).toBe(0);
    const { valid, checks } = JSON.parse(verified.out);
    expect([valid, ...checks.map(({ name }: { name: string }) => name)]).toEqual([
      ...[true, "format", "checkpoint", "inclusion"],
    ]);
    const line = (await world.settlement.log.inclusion(2, null)).line;
    expect((await cli(["verify", at("line.tlog-proof"), "--key", KEY, "--line", line])).code).toBe(0);
    expect((await cli(["verify", at("line.tlog-proof"), "--key", KEY, "--line", `${line} `])).code).toBe(1);
  });

  it("refuses a proof file with anything changed in it", async () => {
    const file = readFileSync(at("line.tlog-proof"), "utf8");
    const other = formatVerifierKey(createLogSigner("log.example/test", Buffer.alloc(32, 1)).key);
    expect((await cli(["verify", at("line.tlog-proof"), "--key", other])).out).toMatch(/FAIL {2}checkpoint/);
    const broken: [string, string, RegExp][] = [
      ["another index", file.replace("index 2", "index 3"), /FAIL {2}inclusion/],
      ["another first line", file.replace("@v1", "@v2"), /FAIL {2}format/],
      ["a hash less", file.replace(/(index 2\n)[^\n]+\n/, "$1"), /FAIL {2}inclusion/],
      [
        "a changed hash",
        file.replace(/(index 2\n)(.)/, (_, start, one) => `${start}${one === "A" ? "B" : "A"}`),
        /FAIL {2}inclusion/,
      ],
      ["another line", file.replace(/extra [^\n]+/, "extra aGVsbG8="), /FAIL {2}inclusion/],
      ["no line", file.replace(/extra [^\n]+\n/, ""), /does not carry the line/],
      ["no checkpoint", file.slice(0, file.indexOf("\n\n")), /FAIL {2}format/],
      ["an unsigned checkpoint", file.slice(0, file.indexOf("\n\n— ") + 2), /FAIL {2}checkpoint/],
    ];
    for (const [what, text, expected] of broken) {
      expect(text, what).not.toBe(file);
      writeFileSync(at("broken"), text);
      const { code, out } = await cli(["verify", at("broken"), "--key", KEY]);
      expect({ code, out }, what).toEqual({ code: 1, out: expect.stringMatching(expected) });
    }
  });

  it("counts the witnesses that it is told to trust", async () => {
    const { note } = (await world.settlement.log.latest()) ?? { note: "" };
    const witnessed = `${note}${WITNESS.line(note, 5)}\n`;
    const proof = readFileSync(at("line.tlog-proof"), "utf8");
    writeFileSync(at("witnessed"), `${proof.slice(0, proof.indexOf("\n\n") + 2)}${witnessed}`);
    const witness = ["--witness", formatVerifierKey(WITNESS.key)];
    expect(await cli(["verify", at("witnessed"), "--key", KEY, ...witness])).toMatchObject({
      ...{ code: 0, out: expect.stringMatching(/1 of 1 known witnesses \(witness\.example\/w at 5\)/) },
    });
    expect((await cli(["verify", at("line.tlog-proof"), "--key", KEY, ...witness])).code).toBe(1);
    expect(
      (await cli(["verify", at("line.tlog-proof"), "--key", KEY, ...witness, "--quorum", "0"])).code,
    ).toBe(0);
  });

  it("has a witness cosign, and brings what it says to the log", async () => {
    const witness = await startWitness(WITNESS, TEST_LOG_SIGNER.key);
    const submit = ["submit", witness.url, "--key", KEY, "--witness", formatVerifierKey(WITNESS.key)];
    try {
      const first = await cli(submit);
      expect(first).toMatchObject({ code: 0, out: expect.stringMatching(/ok {4}witnesses {3}1 of 1 known/) });
      const latest = await world.settlement.log.latest();
      expect(witness.last()).toMatchObject({ root: latest?.root });
      expect(latest?.cosignatures.length).toBe(1);
      // Again, for the same size; then after the log has grown; then for a size that it is past.
      expect((await cli(submit)).code).toBe(0);
      await world.grant("user_b", TST);
      await world.settlement.run();
      expect((await cli(submit)).code).toBe(0);
      expect(witness.last()?.size).toBeGreaterThan(latest?.size ?? 0);
      const past = await cli([...submit, "--size", `${latest?.size}`]);
      expect(past).toMatchObject({ code: 1, err: expect.stringMatching(/has seen \d+ lines already/) });
      expect(
        (await cli(["checkpoint", "--key", KEY, "--witness", formatVerifierKey(WITNESS.key)])).code,
      ).toBe(0);
    } finally {
      await witness.close();
    }
  });

  it("brings nothing that a witness does not sign, or that is another's", async () => {
    const other = witnessKey("witness.example/other", 6);
    const strict = await startWitness(WITNESS, createLogSigner("log.example/test", Buffer.alloc(32, 1)).key);
    const foreign = await startWitness(other, TEST_LOG_SIGNER.key);
    const submit = (url: string, key: string) => cli(["submit", url, "--key", KEY, "--witness", key]);
    const cosigned = (await world.settlement.log.latest())?.cosignatures;
    try {
      const refused = await submit(strict.url, formatVerifierKey(WITNESS.key));
      expect(refused).toMatchObject({ code: 1, err: expect.stringMatching(/the witness answers 403/) });
      const unexpected = await submit(foreign.url, formatVerifierKey(WITNESS.key));
      expect(unexpected).toMatchObject({ code: 1, err: expect.stringMatching(/of no key that --witness/) });
      const unknown = await submit(foreign.url, formatVerifierKey(other.key));
      expect(unknown).toMatchObject({ code: 1, err: expect.stringMatching(/forbidden/) });
      expect((await submit("http://127.0.0.1:1", formatVerifierKey(WITNESS.key))).err).toMatch(
        /no witness answers/,
      );
    } finally {
      await strict.close();
      await foreign.close();
    }
    expect((await world.settlement.log.latest())?.cosignatures).toEqual(cosigned);
  });

  it("catches a log that was rewritten, cut, or shown otherwise", async () => {
    const since = ["checkpoint", "--key", KEY, "--since", at("second")];
    const size = Number(readFileSync(at("second"), "utf8").split("\n")[1]);
    const rewritten = await against(lyingLog(size + 3), since);
    expect(rewritten).toMatchObject({ code: 1, out: expect.stringMatching(/does not begin with that of/) });
    const cut = await against(lyingLog(size - 1), since);
    expect(cut).toMatchObject({ code: 1, out: expect.stringMatching(/has \d+ lines, it had/) });
    const otherView = await against(lyingLog(size), since);
    expect(otherView).toMatchObject({ code: 1, out: expect.stringMatching(/FAIL {2}consistency/) });
    const otherSize = await against(lyingLog(size), ["checkpoint", "--key", KEY, "--size", `${size - 1}`]);
    expect(otherSize).toMatchObject({ code: 1, err: expect.stringMatching(/another size/) });
    const lineOfAnother = await against(lyingLog(size, { inclusion: world.settlement.log.inclusion }), [
      ...["prove", "2", "--key", KEY, "--out", at("never")],
    ]);
    expect(lineOfAnother).toMatchObject({ code: 1, out: expect.stringMatching(/FAIL {2}inclusion/) });
    expect(() => readFileSync(at("never"))).toThrow();
  });

  it("says of a checkpoint and of the API's answers what they are, and which command takes them", async () => {
    const verified = async (text: string) => {
      writeFileSync(at("other"), text);
      const [line, position] = [
        await cli(["verify", at("other"), "--key", KEY]),
        await anchorbook(["verify", at("other")]),
      ];
      expect([line.code, position.code]).toEqual([1, 1]);
      const said = /The file is .*\n/.exec(line.out)?.[0];
      expect(position.out).toContain(said);
      return said;
    };
    expect(await verified(readFileSync(at("first"), "utf8"))).toMatch(
      /^The file is a checkpoint of the journal's log: anchorbook log checkpoint --since FILE --key KEY checks/,
    );
    const served = async (path: string) => (await fetch(`${api.url}/api/v1/log/${path}`)).text();
    expect(await verified(await served("inclusion?index=2"))).toMatch(
      /^The file is the API's answer about line 2 of .*: anchorbook log prove 2 --key KEY fetches/,
    );
    const size = (await world.settlement.log.latest())?.size;
    expect(await verified(await served(`checkpoints/${size}`))).toMatch(
      /^The file is the API's answer about a checkpoint .*: anchorbook log checkpoint --key KEY fetches/,
    );
  });

  it("says of a line that the log does not have how many there are, however far it is off", async () => {
    const size = (await world.settlement.log.latest())?.size;
    for (const line of [`${size}`, "99999999999999999999"])
      expect(await cli(["prove", line, "--key", KEY, "--out", at("never")])).toEqual({
        ...{ code: 1, out: "" },
        err: `anchorbook log: the log has no line ${line} (yet): its checkpoint holds ${size} lines, counted from 0\n`,
      });
  });

  it("says what a file is that is no proof of a line, and of one that is not there that it was called wrongly", async () => {
    const told = async (document: unknown) => {
      writeFileSync(at("other"), JSON.stringify(document));
      return await cli(["verify", at("other"), "--key", KEY]);
    };
    expect(await told({ error: "not_found", message: "No such line" })).toMatchObject({
      ...{ code: 1, out: expect.stringContaining("a server's refusal: not_found: No such line\n") },
    });
    expect(await told({ format: "anchorbook-proof/1" })).toMatchObject({
      ...{
        code: 1,
        out: expect.stringContaining("the proof of a position: anchorbook verify FILE checks it"),
      },
    });
    expect((await told(null)).out).not.toMatch(/refusal|proof of a position/);
    for (const args of [
      ["verify", at("none"), "--key", KEY],
      ["checkpoint", "--since", at("none")],
    ])
      expect(await cli(args)).toMatchObject({ code: 2, err: expect.stringContaining(`there is no file`) });
    expect(await cli(["checkpoint", "--out", at("none/file")])).toMatchObject({
      ...{ code: 1, err: expect.stringContaining(`cannot be written: there is no folder ${at("none")}`) },
    });
  });

  it.each([
    [[]],
    [["other"]],
    [["checkpoint", "4"]],
    [["prove"]],
    [["prove", "x"]],
    [["prove", "1", "2"]],
    [["submit"]],
    [["submit", "witness.example"]],
    [["submit", "http://127.0.0.1:1"]],
    [["verify", "file"]],
    [["checkpoint", "--key", "nonsense"]],
    [["checkpoint", "--witness", KEY]],
    [["checkpoint", "--quorum", "1"]],
    [["checkpoint", "--api", "ftp://x"]],
    [["checkpoint", "--size", "-1"]],
  ])("refuses the usage %j", async (args) => {
    expect((await cli(args)).code).toBe(2);
  });

  it("fails with a sentence where no server answers, that says where another can be named", async () => {
    const { code, err } = await cli(["checkpoint", "--api", "http://127.0.0.1:1"]);
    const says = /no server answers at http:\/\/127\.0\.0\.1:1 \(.+\)\..* --api or ANCHORBOOK_API/;
    expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(says) });
  });
});

describe("a witness that the server asks by itself", () => {
  const grown = async () => {
    await world.grant("user_c", TST);
    await world.settlement.run();
  };
  const cosigned = async () => (await log.latest())?.cosignatures.length;

  it("cosigns every new checkpoint, once, and is asked less and less often while it is away", async () => {
    const first = await startWitness(WITNESS, TEST_LOG_SIGNER.key);
    let nowMs = 0;
    const asker = createWitnessAsker({
      ...{ log, clock: { nowMs: () => nowMs } },
      witnesses: [{ key: WITNESS.key, url: first.url }],
    });
    await grown();
    await asker.ask();
    expect(await cosigned()).toBe(1);
    const seen = first.last();
    await grown();
    expect(await cosigned()).toBe(0);
    await asker.ask();
    expect([await cosigned(), first.last()?.size]).toEqual([1, BigInt((await log.latest())?.size ?? 0)]);
    expect(first.last()?.size).toBeGreaterThan(seen?.size ?? 0n);
    await first.close();
    // What is cosigned is asked for by nobody.
    await asker.ask();

    await grown();
    const away = /1 of 1 witnesses did not cosign/;
    for (const pauseMs of [15_000, 30_000, 60_000]) {
      await expect(asker.ask()).rejects.toThrow(away);
      nowMs += pauseMs - 1;
      await asker.ask();
      nowMs += 1;
    }
    await expect(asker.ask()).rejects.toThrow(away);
    expect(await cosigned()).toBe(0);
  });

  it("keeps nobody waiting: not another witness, and not a server that stops", async () => {
    const good = await startWitness(WITNESS, TEST_LOG_SIGNER.key);
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as AddressInfo;
    const asker = createWitnessAsker({
      ...{ log, clock: systemClock },
      witnesses: [
        { key: witnessKey("witness.example/silent", 7).key, url: `http://127.0.0.1:${port}` },
        { key: WITNESS.key, url: good.url },
      ],
    });
    const asking = asker.ask();
    await expect.poll(cosigned, { timeout: 20_000 }).toBe(1);
    asker.stop();
    await asking;
    await good.close();
    await new Promise<void>((resolve) => {
      silent.close(() => resolve());
      silent.closeAllConnections();
    });
  });
});

/** The log over HTTP: what anybody reads, and what a witness and nobody else may add. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { auditRoutes, logRoutes, logTileRoutes } from "#api";
import {
  formatSignatureLine,
  formatVerifierKey,
  openCheckpoint,
  parseNote,
  parseVerifierKey,
  rootFromTiles,
  TILE_WIDTH,
  verifyConsistency,
  verifyInclusion,
} from "#proof";
import { verifyLogProof } from "#verifier";
import { startApi, type TestApi } from "../support/api-app.ts";
import { witnessKey } from "../support/tlog-witness.ts";
import { bearer } from "../support/tokens.ts";
import { createWorld, TEST_LOG_SIGNER, TST, type World } from "./world.ts";

const known = witnessKey("witness.example/known", 21);
const second = witnessKey("witness.example/second", 22);
const stranger = witnessKey("witness.example/stranger", 23);
const now = () => Math.floor(Date.now() / 1_000);

let world: World;
let api: TestApi;
let size: number;

beforeAll(async () => {
  world = await createWorld();
  const { log } = await world.open({ witnesses: [known.key, second.key] });
  api = await startApi([
    ...logRoutes({ log, ledger: "default" }),
    ...logTileRoutes({ log, ledger: "default" }),
    ...auditRoutes(world.settlement),
  ]);
}, 60_000);
afterAll(async () => {
  await api?.close();
  await world?.close();
});

async function call(path: string, init: RequestInit = {}) {
  const response = await fetch(`${api.url}${path}`, init);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const text = Buffer.from(bytes).toString();
  const json = /json/.test(response.headers.get("content-type") ?? "");
  return {
    status: response.status,
    headers: response.headers,
    bytes,
    text,
    body: json ? JSON.parse(text) : null,
  };
}

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  call(path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });

describe("before the first epoch", () => {
  it("there is a key, and no checkpoint", async () => {
    expect((await call("/api/v1/log")).body).toEqual({
      ...{ origin: "log.example/test", verifier_key: formatVerifierKey(TEST_LOG_SIGNER.key) },
      ...{ tiles: "/log/default", checkpoint: null },
      witnesses: [known, second].map(({ key }) => formatVerifierKey(key)),
    });
    expect((await call("/api/v1/log/checkpoints")).body).toEqual({ data: [], next_cursor: null });
    for (const path of [
      "/log/default/checkpoint",
      "/log/default/tile/0/000.p/1",
      "/log/default/tile/entries/000.p/1",
      "/api/v1/log/inclusion?index=0",
      "/api/v1/log/consistency?from=1",
      "/api/v1/log/checkpoints/1",
    ])
      expect(await call(path), path).toMatchObject({ status: 404, body: { error: "not_found" } });
  });
});

describe("the log", () => {
  beforeAll(async () => {
    await world.grant("user_a", 100n * TST);
    await world.settlement.run();
    for (let number = 0; number < 130; number++) await world.lock("user_a", `agreement-${number}`, TST / 2n);
    size = (await world.settlement.run()).epoch?.journalSize ?? 0;
  }, 60_000);

  it("has a checkpoint for every epoch, newest first, page by page", async () => {
    const first = (await call("/api/v1/log/checkpoints?limit=1")).body;
    expect(first.data[0]).toMatchObject({ size, cosignatures: [] });
    const rest = (await call(`/api/v1/log/checkpoints?limit=5&cursor=${first.next_cursor}`)).body;
    expect(rest.data.length).toBe(1);
    expect(rest.next_cursor).toBeNull();
    expect((await call(`/api/v1/log/checkpoints/${rest.data[0].size}`)).body).toEqual(rest.data[0]);
    const { checkpoint, verifier_key } = (await call("/api/v1/log")).body;
    expect(checkpoint).toEqual(first.data[0]);
    const opened = await openCheckpoint(checkpoint.note, [parseVerifierKey(verifier_key)]);
    expect(opened).toMatchObject({ size: BigInt(size), root: checkpoint.root });
    const note = await call("/log/default/checkpoint");
    expect(note.text).toBe(checkpoint.note);
    expect(note.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(note.headers.get("cache-control")).toBe("no-cache");
  });

  it("proves lines and continuity to whoever asks", async () => {
    const { body } = await call("/api/v1/log/inclusion?index=7");
    expect(body).toMatchObject({ index: 7, size });
    expect(verifyInclusion(body.line, 7n, BigInt(size), body.proof, body.root)).toBe(true);
    const journal = (await call("/api/v1/audit/journal?from=7&limit=1")).text;
    expect(journal).toBe(`${body.line}\n`);
    const { data } = (await call("/api/v1/log/checkpoints")).body;
    const [newest, oldest] = [data[0], data.at(-1)];
    const grown = (await call(`/api/v1/log/consistency?from=${oldest.size}`)).body;
    expect(grown).toMatchObject({
      from: { size: oldest.size, root: oldest.root },
      to: { size, root: newest.root },
    });
    const [from, to] = [BigInt(oldest.size), BigInt(size)];
    expect(verifyConsistency(from, to, grown.proof, oldest.root, newest.root)).toBe(true);
  });

  it("gives the proof of a line as a file that holds by itself", async () => {
    const accept = { headers: { accept: "text/plain" } };
    const file = await call("/api/v1/log/inclusion?index=7", accept);
    expect(file.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    const trust = { logKeys: [TEST_LOG_SIGNER.key], witnesses: [], quorum: 0 };
    expect(await verifyLogProof(file.text, trust)).toMatchObject({ valid: true });
    const { line } = (await call("/api/v1/log/inclusion?index=7")).body;
    expect(await verifyLogProof(file.text, trust, line)).toMatchObject({ valid: true });
    expect(await verifyLogProof(file.text, trust, `${line} `)).toMatchObject({ valid: false });
    expect(await call(`/api/v1/log/inclusion?index=7&size=${size - 1}`, accept)).toMatchObject({
      status: 404,
    });
  });

  it.each([
    ["/api/v1/log/inclusion", 400],
    ["/api/v1/log/inclusion?index=-1", 400],
    ["/api/v1/log/inclusion?index=1&size=0", 400],
    ["/api/v1/log/inclusion?index=1&size=9007199254740993", 400],
    ["/api/v1/log/inclusion?index=100000", 404],
    ["/api/v1/log/inclusion?index=1&size=100000", 404],
    ["/api/v1/log/consistency?from=0", 400],
    ["/api/v1/log/consistency?from=3&to=2", 400],
    ["/api/v1/log/consistency?from=100000", 400],
    ["/api/v1/log/checkpoints/0", 400],
    ["/api/v1/log/checkpoints/3", 404],
    ["/api/v1/log/checkpoints?cursor=e30", 400],
    ["/log/other/checkpoint", 404],
    ["/log/Default/checkpoint", 400],
    ["/log/default/tile/0/0", 400],
    ["/log/default/tile/0/x000", 400],
    ["/log/default/tile/0/x000/000", 404],
    ["/log/default/tile/0/x001/000", 404],
    ["/log/default/tile/0/x001/x000/000", 404],
    ["/log/default/tile/8/000", 400],
    ["/log/default/tile/-1/000", 400],
    ["/log/default/tile/0/001", 404],
    ["/log/default/tile/0/000.p/0", 400],
    ["/log/default/tile/0/000.p/256", 400],
    ["/log/default/tile/1/000", 404],
    ["/log/default/tile/entries/001", 404],
    ["/log/default/tile/entries/x000/000.p/5", 404],
    ["/log/other/tile/0/000", 404],
    ["/log/other/tile/entries/000", 404],
  ])("answers %s with %i", async (path, status) => {
    expect((await call(path)).status).toBe(status);
  });

  it("is read by its tiles alone: lines, tree and root", async () => {
    const width = size - TILE_WIDTH;
    const [whole, rest, above] = await Promise.all(
      ["tile/0/000", `tile/0/001.p/${width}`, "tile/1/000.p/1"].map((path) => call(`/log/default/${path}`)),
    );
    expect(whole?.headers.get("content-type")).toBe("application/octet-stream");
    expect(whole?.headers.get("cache-control")).toMatch(/immutable/);
    const tiles = new Map([
      ["0 0", whole?.bytes],
      ["0 1", rest?.bytes],
      ["1 0", above?.bytes],
    ]);
    const { checkpoint } = (await call("/api/v1/log")).body;
    const root = rootFromTiles(
      BigInt(size),
      ({ level, index }) => tiles.get(`${level} ${index}`) ?? new Uint8Array(),
    );
    expect(root).toBe(checkpoint.root);
    const bundle = Buffer.from((await call("/log/default/tile/entries/000")).bytes);
    const first = bundle.subarray(2, 2 + bundle.readUInt16BE(0)).toString();
    expect(`${first}\n`).toBe((await call("/api/v1/audit/journal?from=0&limit=1")).text);
  });
});

describe("cosignatures", () => {
  const at = () => `/api/v1/log/checkpoints/${size}/cosignatures`;
  let note: string;

  beforeAll(async () => {
    note = (await call("/log/default/checkpoint")).text;
  });

  it("of a known witness are taken, shown and hold", async () => {
    const time = now();
    const { status, body } = await post(at(), { cosignature: known.line(note, time) });
    expect(status).toBe(200);
    expect(body.cosignatures).toEqual([
      {
        ...{ name: "witness.example/known", key_id: known.key.keyId },
        time: new Date(time * 1_000).toISOString().replace(".000", ""),
      },
    ]);
    const served = (await call("/log/default/checkpoint")).text;
    expect(served).toBe(body.note);
    const opened = await openCheckpoint(served, [TEST_LOG_SIGNER.key], [known.key, second.key]);
    expect(opened.cosignatures.map(({ key }) => key.name)).toEqual(["witness.example/known"]);
    const both = await post(at(), { cosignature: second.line(served, time) });
    expect(both.body.cosignatures.map(({ name }: { name: string }) => name)).toEqual([
      "witness.example/known",
      "witness.example/second",
    ]);
  });

  it("are one a witness: a later one takes the place of the earlier", async () => {
    const time = now() + 60;
    const times = (body: { cosignatures: { time: string }[] }) => body.cosignatures.map((one) => one.time);
    const { body: later } = await post(at(), { cosignature: known.line(note, time) });
    expect(Date.parse(times(later)[0] ?? "")).toBe(time * 1_000);
    const { body: earlier } = await post(at(), { cosignature: known.line(note, time - 50) });
    expect(times(earlier)).toEqual(times(later));
    const many = await Promise.all(
      Array.from({ length: 8 }, (_, number) => post(at(), { cosignature: known.line(note, time + number) })),
    );
    expect(many.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
    const { cosignatures } = (await call(`/api/v1/log/checkpoints/${size}`)).body;
    expect(cosignatures.length).toBe(2);
    expect(Date.parse(cosignatures[0].time)).toBe((time + 7) * 1_000);
  });

  it("are taken for an older checkpoint too", async () => {
    const { data } = (await call("/api/v1/log/checkpoints")).body;
    const oldest = data.at(-1);
    const path = `/api/v1/log/checkpoints/${oldest.size}/cosignatures`;
    const { body } = await post(path, { cosignature: known.line(oldest.note, now()) });
    expect(body).toMatchObject({ size: oldest.size, cosignatures: [{ name: "witness.example/known" }] });
    expect((await post(path, { cosignature: known.line(note, now()) })).status).toBe(400);
  });

  it("of nobody else are, whoever brings them", async () => {
    const time = now();
    const line = known.line(note, time);
    const renamed = line.replace("witness.example/known", "witness.example/other");
    const underOurKey = formatSignatureLine(TEST_LOG_SIGNER.sign(parseNote(note).text));
    const flipped = `${line.slice(0, -8)}${line.at(-8) === "A" ? "B" : "A"}${line.slice(-7)}`;
    const attempts: [string, string, number][] = [
      ["a stranger's", stranger.line(note, time), 403],
      ["a known one's under another name", renamed, 403],
      ["a stranger's under a known key's name", stranger.line(note, time).replace("stranger", "known"), 403],
      ["the log's own signature", underOurKey, 400],
      ["one bit changed", flipped, 400],
      ["of another checkpoint", known.line(note.replace(`\n${size}\n`, "\n1\n"), time), 400],
      ["of a time to come", known.line(note, time + 1_000), 400],
      ["two lines", `${line}\n${line}`, 400],
      ["no line", "somebody saw it", 400],
      ["nothing", "", 400],
      ["too long", `— ${"w".repeat(600)} AAAA`, 400],
    ];
    const before = (await call(`/api/v1/log/checkpoints/${size}`)).body;
    for (const [what, cosignature, status] of attempts) {
      for (const headers of [{}, { authorization: bearer("op", "operator") }])
        expect((await post(at(), { cosignature }, headers)).status, what).toBe(status);
    }
    expect((await call(`/api/v1/log/checkpoints/${size}`)).body).toEqual(before);
    const unknown = "/api/v1/log/checkpoints/5000/cosignatures";
    expect((await post(unknown, { cosignature: line })).status).toBe(404);
    expect((await post(at(), {})).status).toBe(400);
    expect((await post(at(), { cosignature: line, more: 1 })).status).toBe(400);
  });

  it("are refused by a log that knows no witness", async () => {
    const alone = await startApi([...logRoutes({ log: world.settlement.log, ledger: "default" })]);
    try {
      const response = await fetch(`${alone.url}${at()}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ cosignature: known.line(note, now()) }),
      });
      expect(response.status).toBe(403);
    } finally {
      await alone.close();
    }
  });
});

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import {
  ConfigError,
  describeConfig,
  type Environment,
  loadBooks,
  loadConfig,
  loadServerConfig,
  readEnvironment,
} from "#config";

const SECRET = "a-secret-of-our-own-with-enough-letters";

/** Of a server, which needs everything that a command does. */
function problems(environment: Environment): readonly string[] {
  try {
    loadServerConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe("settings", () => {
  it("have defaults with which a fresh clone runs", () => {
    expect(loadConfig({})).toEqual({
      nodeEnv: "development",
      host: "127.0.0.1",
      port: 3000,
      dataDir: resolve(".anchorbook"),
      jwtSecret: expect.any(String),
      settleCron: "*/5 * * * *",
      chainFinality: 64,
      rateLimitPerMinute: 6000,
      diskWatermarkMb: 512,
      allowPrivateWebhooks: true,
      logOrigin: "localhost/log",
      logWitnesses: [],
      testClock: false,
      logLevel: "info",
      api: "http://127.0.0.1:3000",
      answerSeconds: 60,
    });
  });

  it("count an empty value as not set", () => {
    expect(loadConfig({ PORT: "", DATABASE_URL: " ", TEST_CLOCK: "" })).toEqual(loadConfig({}));
  });

  it.each([
    ["PORT", "-1"],
    ["PORT", "65536"],
    ["PORT", "3000x"],
    ["DATABASE_URL", "mysql://h/d"],
    ["DATABASE_URL", "nonsense"],
    ["REDIS_URL", "http://h"],
    ["RPC_URL", "ws://h"],
    ["OPERATOR_PRIVATE_KEY", "0x12"],
    ["JWT_SECRET", "short"],
    ["JWT_JWKS_URL", "file:///etc/passwd"],
    ["SETTLE_CRON", "every day"],
    ["RATE_LIMIT_PER_MINUTE", "-5"],
    ["DISK_WATERMARK_MB", "much"],
    ["LOG_PRIVATE_KEY", "0x12"],
    ["LOG_ORIGIN", "https://books.example.com/log"],
    ["LOG_ORIGIN", "books example"],
    ["LOG_WITNESSES", "somebody"],
    ["TEST_CLOCK", "2"],
    ["ANCHORBOOK_TIMEOUT_SECONDS", "0"],
    ["ANCHORBOOK_TIMEOUT_SECONDS", "301"],
    ["NODE_ENV", "prod"],
    ["LOG_LEVEL", "loud"],
  ])("refuse %s=%s with a sentence that names it", (name, value) => {
    expect(problems({ [name]: value })).toContainEqual(expect.stringContaining(name));
  });

  it("refuse in production what only development may have", () => {
    const production = { NODE_ENV: "production" };
    expect(problems(production)).toEqual([expect.stringContaining("JWT_SECRET")]);
    expect(problems({ ...production, JWT_SECRET: SECRET })).toEqual([]);
    expect(problems({ ...production, JWT_JWKS_URL: "https://id.example/keys" })).toEqual([]);
    expect(problems({ ...production, JWT_SECRET: SECRET, TEST_CLOCK: "1" })).toEqual([
      expect.stringContaining("TEST_CLOCK"),
    ]);
    const url = "postgresql://one:pw@db/ledger";
    expect(
      problems({ ...production, JWT_SECRET: SECRET, DATABASE_URL: url, DATABASE_OWNER_URL: url }),
    ).toEqual([expect.stringContaining("owns no table")]);
  });

  it("refuse a foreign chain without its key and contracts, and with the test clock", () => {
    expect(problems({ RPC_URL: "http://node:8545", TEST_CLOCK: "1" })).toEqual([
      expect.stringContaining("TEST_CLOCK"),
      expect.stringContaining("OPERATOR_PRIVATE_KEY"),
      expect.stringContaining("CONTRACTS_FILE"),
    ]);
  });

  it("let commands that read a chain have its node alone", () => {
    const settings = { RPC_URL: "http://node:8545" };
    expect(problems(settings)).toHaveLength(2);
    expect(loadConfig(settings).rpcUrl).toBe(settings.RPC_URL);
  });

  it("name the log, its key and its witnesses, and do not print the key", () => {
    const [one, two] = ["w.example/1+67f7aea0+B", "w.example/2+d8042a87+B"].map(
      (start) => `${start}${"A".repeat(43)}`,
    );
    const asked = `${two}@https://w.example:8443/two`;
    const settings = { LOG_ORIGIN: "books.example.com/log", LOG_WITNESSES: ` ${one},\n${asked} ` };
    const logPrivateKey = `0x${"5e".repeat(32)}`;
    const config = loadServerConfig({ ...settings, LOG_PRIVATE_KEY: logPrivateKey });
    expect(config).toMatchObject({
      logOrigin: settings.LOG_ORIGIN,
      logWitnesses: [one, asked],
      logPrivateKey,
    });
    expect(JSON.stringify(describeConfig(config))).not.toContain("5e5e");
    expect(describeConfig(config)).toContainEqual({ name: "LOG_WITNESSES", value: `${one} ${asked}` });
    expect(problems({ LOG_WITNESSES: `${one}` })).toEqual([expect.stringContaining("LOG_ORIGIN")]);
    const unreachable = { LOG_ORIGIN: "a.example", LOG_WITNESSES: `${one}@ftp://w.example` };
    expect(problems(unreachable)).toEqual([expect.stringContaining("the URL of its witness")]);
    const seventeen = { LOG_ORIGIN: "a.example", LOG_WITNESSES: `${one} `.repeat(17) };
    expect(problems(seventeen)).toEqual([expect.stringContaining("at most 16")]);
  });

  it("have a list of books, each with a chain and a key of its own, and print no key", () => {
    const folder = mkdtempSync(join(tmpdir(), "anchorbook-books-"));
    const file = join(folder, "books.json");
    const book = {
      asset: "GIGS",
      rpc_url: "https://node.example.com",
      private_key_env: "GIGS_KEY",
      contracts: "gigs.json",
    };
    const environment = { BOOKS_FILE: file, GIGS_KEY: `0x${"5e".repeat(32)}`, GIGS_RPC: "http://node/5e5e" };
    const withBooks = (books: unknown, more: Record<string, string> = {}) => {
      writeFileSync(file, typeof books === "string" ? books : JSON.stringify(books));
      return { ...environment, ...more };
    };
    const config = loadServerConfig(withBooks([book]));
    expect(config.books).toEqual([
      {
        ...{ asset: "GIGS", rpcUrl: book.rpc_url, publicRpcUrl: null, privateKey: environment.GIGS_KEY },
        ...{ contractsFile: join(folder, "gigs.json"), finality: null },
      },
    ]);
    expect(JSON.stringify(describeConfig(config))).not.toContain("5e5e");
    const { rpc_url: _, ...rest } = book;
    expect(loadServerConfig(withBooks([{ ...rest, rpc_url_env: "GIGS_RPC" }])).books[0]?.rpcUrl).toBe(
      "http://node/5e5e",
    );
    for (const [books, said, more] of [
      ["{", "cannot be read"],
      [{}, "the list"],
      [[{ ...book, price: 1 }], "books.json"],
      [[{ ...book, finality: "latest" }], "finality"],
      [[rest], "rpc_url_env"],
      [[{ ...book, rpc_url_env: "GIGS_RPC" }], "rpc_url_env"],
      [[{ ...rest, rpc_url_env: "NOT_SET" }], "wants NOT_SET"],
      [[{ ...book, private_key_env: "GIGS_RPC" }], "64 hexadecimal digits"],
      [[{ ...book, asset: "gigs" }], "an asset's code"],
      [[{ ...book, asset: "TST" }], "the book of TST"],
      [[book, book], "one home chain"],
      [[book], "GIGS_KEY must be", { GIGS_KEY: "0x12" }],
    ] as const)
      expect(problems(withBooks(books, more))).toEqual([expect.stringContaining(said)]);
    rmSync(folder, { recursive: true });
    expect(problems(environment)).toEqual([expect.stringContaining("cannot be read")]);
    expect(() => loadBooks(environment)).toThrow("cannot be read");
    // Who needs no book does not need the list.
    expect(loadConfig(environment)).not.toHaveProperty("books");
  });

  it("come from .env, and the environment wins over it", () => {
    const folder = mkdtempSync(join(tmpdir(), "anchorbook-config-"));
    writeFileSync(join(folder, ".env"), 'PORT=4000\nSETTLE_CRON="*/7 * * * *"\nPATH=/nowhere\n');
    const config = loadConfig({ ...readEnvironment(folder), NODE_ENV: "test" });
    rmSync(folder, { recursive: true });
    expect(config).toMatchObject({ port: 4000, settleCron: "*/7 * * * *" });
    expect(readEnvironment(folder).PATH).toBe(process.env.PATH);
  });
});

/**
 * The settings. The environment and a `.env` file are read here and nowhere
 * else, once, at the start; everybody else is handed a `Config`. A setting that
 * is wrong or unsafe stops the start with a sentence that says what to do.
 */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseEnv } from "node:util";
import { validate as isCronExpression } from "node-cron";
import { z } from "zod";
import { type BookConfig, readBooks } from "./books-config.ts";

export type { BookConfig } from "./books-config.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** For development alone: everybody can read it here, so production refuses it. */
export const DEVELOPMENT_JWT_SECRET = "anchorbook-development-secret-do-not-use-in-production";
const MIN_SECRET_LENGTH = 32;

export interface Config {
  nodeEnv: "development" | "test" | "production";
  host: string;
  /** 0 lets the system choose a free port (for tests). */
  port: number;
  /** Absolute. Everything the embedded stack keeps. */
  dataDir: string;
  /** The server's role, which owns no table. Absent: embedded Postgres. */
  databaseUrl?: string;
  /** The role that owns the tables and runs migrations. Absent with `databaseUrl`: the server does not migrate. */
  databaseOwnerUrl?: string;
  /** Absent: a private redis-server where one is installed, else counters in Postgres. */
  redisUrl?: string;
  /** Absent: the embedded chain. */
  rpcUrl?: string;
  operatorPrivateKey?: string;
  /** HS256 secret; not looked at where `jwtJwksUrl` is set. */
  jwtSecret: string;
  jwtJwksUrl?: string;
  /** Five or six cron fields, UTC. */
  settleCron: string;
  /** When an event of a chain that is not the embedded one counts: so many blocks below the newest, or as the node says. */
  chainFinality: number | "finalized";
  /** 0: no limit. */
  rateLimitPerMinute: number;
  /** Free space below which nothing is written any more, of the disk of the embedded Postgres. 0: no watermark. */
  diskWatermarkMb: number;
  /** Whether webhooks may reach loopback and private addresses, and use plain HTTP. */
  allowPrivateWebhooks: boolean;
  /** Seed of the key that signs the journal's checkpoints, 0x and 64 hex digits. Absent: a file in `dataDir`, made where missing. */
  logPrivateKey?: string;
  /** What the names of this server's logs begin with; a ledger's name follows. */
  logOrigin: string;
  /** Keys of the witnesses whose cosignatures are taken, as C2SP verifier keys; with `@URL` where they are asked at. */
  logWitnesses: readonly string[];
  testClock: boolean;
  /** Addresses of deployed contracts, for a chain that is not the embedded one. Absolute. */
  contractsFile?: string;
  /** More books of the default ledger, beside that of TST. */
  books: readonly BookConfig[];
  logLevel: "fatal" | "error" | "warn" | "info" | "debug" | "trace" | "silent";
  /** What the CLI talks to. */
  api: string;
  /** Absent: the CLI signs a development token. */
  apiToken?: string;
  /** How long commands wait for an answer of a server. */
  answerSeconds: number;
}

/** Without the list of books, which a command neither needs nor may be able to read. */
export type CommandConfig = Omit<Config, "books">;

/** The settings cannot be used; `message` has a line for each problem. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`The settings cannot be used:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`);
    this.name = "ConfigError";
    this.problems = problems;
  }
}

const url = (name: string, protocols: readonly string[], example: string) =>
  z.string().refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol), {
    error: `${name} must be a URL such as ${example}`,
  });

const whole = (name: string, min: number, max: number) =>
  z
    .string()
    .refine((text) => /^\d{1,9}$/.test(text) && Number(text) >= min && Number(text) <= max, {
      error: `${name} must be a whole number from ${min} to ${max}`,
    })
    .transform(Number);

const postgresUrl = (name: string) =>
  url(name, ["postgres:", "postgresql:"], "postgresql://user:password@host:5432/database");
const httpUrl = (name: string) => url(name, ["http:", "https:"], "http://127.0.0.1:3000");

const DEFAULT_LOG_ORIGIN = "localhost/log";
const LOG_ORIGIN_RULE =
  "LOG_ORIGIN must be what the log's address is without https://, such as books.example.com/log";
const MAX_WITNESSES = 16;
/** Base64 of the byte 4 and a key begins with B. */
const WITNESS = /^[^\s+]{1,200}\+[0-9a-f]{8}\+B[A-Za-z0-9+/]{43}(@https?:\/\/\S+)?$/;

const environmentSchema = z.object({
  NODE_ENV: z
    .enum(["development", "test", "production"], {
      error: "NODE_ENV must be development, test or production",
    })
    .default("development"),
  HOST: z.string().default("127.0.0.1"),
  PORT: whole("PORT", 0, 65_535).default(3000),
  DATA_DIR: z.string().default(".anchorbook"),
  DATABASE_URL: postgresUrl("DATABASE_URL").optional(),
  DATABASE_OWNER_URL: postgresUrl("DATABASE_OWNER_URL").optional(),
  REDIS_URL: url("REDIS_URL", ["redis:", "rediss:", "unix:"], "redis://127.0.0.1:6379").optional(),
  RPC_URL: httpUrl("RPC_URL").optional(),
  OPERATOR_PRIVATE_KEY: z
    .string()
    .regex(/^0x[0-9a-fA-F]{64}$/, "OPERATOR_PRIVATE_KEY must be 0x and 64 hexadecimal digits")
    .optional(),
  JWT_SECRET: z
    .string()
    .min(MIN_SECRET_LENGTH, `JWT_SECRET must have at least ${MIN_SECRET_LENGTH} characters`)
    .default(DEVELOPMENT_JWT_SECRET),
  JWT_JWKS_URL: httpUrl("JWT_JWKS_URL").optional(),
  SETTLE_CRON: z
    .string()
    .refine((text) => isCronExpression(text), {
      error: 'SETTLE_CRON must be a cron expression such as "*/5 * * * *"',
    })
    .default("*/5 * * * *"),
  CHAIN_FINALITY: z
    .string()
    .regex(/^(finalized|\d{1,6})$/, "CHAIN_FINALITY must be a number of blocks, or finalized")
    .default("64")
    .transform((text) => (text === "finalized" ? ("finalized" as const) : Number(text))),
  RATE_LIMIT_PER_MINUTE: whole("RATE_LIMIT_PER_MINUTE", 0, 100_000_000).default(6000),
  DISK_WATERMARK_MB: whole("DISK_WATERMARK_MB", 0, 100_000_000).default(512),
  WEBHOOK_PRIVATE_ADDRESSES: z
    .enum(["allow", "refuse"], { error: "WEBHOOK_PRIVATE_ADDRESSES must be allow or refuse" })
    .optional(),
  LOG_PRIVATE_KEY: z
    .string()
    .regex(/^0x[0-9a-fA-F]{64}$/, "LOG_PRIVATE_KEY must be 0x and 64 hexadecimal digits")
    .optional(),
  LOG_ORIGIN: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9.:_-]*(\/[A-Za-z0-9._-]+)*$/, LOG_ORIGIN_RULE)
    .max(200, LOG_ORIGIN_RULE)
    .optional(),
  LOG_WITNESSES: z
    .string()
    .transform((text) => text.split(/[\s,]+/).filter((key) => key !== ""))
    .refine((keys) => keys.length <= MAX_WITNESSES && keys.every((key) => WITNESS.test(key)), {
      error: `LOG_WITNESSES must be at most ${MAX_WITNESSES} verifier keys of type 4 (name+id+base64), each with @ and the URL of its witness or without, separated by spaces or commas`,
    })
    .optional(),
  TEST_CLOCK: z
    .enum(["0", "1", "off", "on", "false", "true"], { error: "TEST_CLOCK must be 1 or 0" })
    .default("0")
    .transform((text) => text === "1" || text === "on" || text === "true"),
  CONTRACTS_FILE: z.string().optional(),
  BOOKS_FILE: z.string().optional(),
  LOG_LEVEL: z
    .enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"], {
      error: "LOG_LEVEL must be fatal, error, warn, info, debug, trace or silent",
    })
    .default("info"),
  ANCHORBOOK_API: httpUrl("ANCHORBOOK_API").optional(),
  ANCHORBOOK_TOKEN: z.string().optional(),
  ANCHORBOOK_TIMEOUT_SECONDS: whole("ANCHORBOOK_TIMEOUT_SECONDS", 1, 300).default(60),
});

type Settings = z.infer<typeof environmentSchema>;

/** The environment as a program sees it: a `.env` file in `directory` below the process's own variables. */
export function readEnvironment(directory: string = process.cwd()): Environment {
  return { ...readEnvFile(join(directory, ".env")), ...process.env };
}

/**
 * Reads and checks all settings but the list of books. An empty value counts as not set.
 *
 * @throws ConfigError with every problem there is, not only the first
 */
export function loadConfig(environment: Environment = readEnvironment()): CommandConfig {
  const { settings, problems } = load([refusals], environment);
  if (problems.length > 0) throw new ConfigError(problems);
  return toConfig(settings);
}

/**
 * As `loadConfig`, with what a server needs besides: it writes on the chain that others only read.
 *
 * @throws ConfigError with every problem there is, not only the first
 */
export function loadServerConfig(environment: Environment = readEnvironment()): Config {
  const { settings, set, problems } = load([refusals, operatorRefusals], environment);
  const books = booksOf(settings, set, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return { ...toConfig(settings), books };
}

/** The list of books, by whoever needs it alone. @throws ConfigError where it, or any setting, cannot be used */
export function loadBooks(environment: Environment): readonly BookConfig[] {
  const { settings, set, problems } = load([refusals], environment);
  const books = booksOf(settings, set, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return books;
}

interface Loaded {
  readonly settings: Settings;
  readonly set: Environment;
  readonly problems: string[];
}

/** @throws ConfigError where a setting is malformed */
function load(checks: readonly ((settings: Settings) => string[])[], environment: Environment): Loaded {
  const set = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value.trim() !== ""),
  );
  const parsed = environmentSchema.safeParse(set);
  if (!parsed.success) throw new ConfigError(parsed.error.issues.map((issue) => issue.message));
  const settings = parsed.data;
  return { settings, set, problems: checks.flatMap((problemsOf) => problemsOf(settings)) };
}

function booksOf({ BOOKS_FILE }: Settings, environment: Environment, problems: string[]): BookConfig[] {
  if (BOOKS_FILE === undefined) return [];
  try {
    return readBooks(resolve(BOOKS_FILE), environment);
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
    return [];
  }
}

function refusals(settings: Settings): string[] {
  const problems: string[] = [];
  const production = settings.NODE_ENV === "production";
  if (production && settings.JWT_SECRET === DEVELOPMENT_JWT_SECRET && !settings.JWT_JWKS_URL)
    problems.push(
      "JWT_SECRET still has its development value, which anybody can read; in production set it to a secret of your own (openssl rand -hex 32), or set JWT_JWKS_URL",
    );
  if (production && settings.TEST_CLOCK)
    problems.push("TEST_CLOCK moves ledger time and is refused when NODE_ENV=production; unset it");
  if (settings.TEST_CLOCK && settings.RPC_URL)
    problems.push("TEST_CLOCK works on the embedded chain alone; unset it, or unset RPC_URL");
  if (settings.LOG_WITNESSES?.length && !settings.LOG_ORIGIN)
    problems.push(
      "LOG_WITNESSES is set, so LOG_ORIGIN must be as well: witnesses know a log by its name, which no other log may have",
    );
  if (settings.DATABASE_OWNER_URL && !settings.DATABASE_URL)
    problems.push(
      "DATABASE_OWNER_URL is set without DATABASE_URL; set both, or neither for embedded Postgres",
    );
  if (production && settings.DATABASE_URL && settings.DATABASE_URL === settings.DATABASE_OWNER_URL)
    problems.push(
      "DATABASE_URL and DATABASE_OWNER_URL are the same; in production the server must connect as a role that owns no table",
    );
  return problems;
}

function operatorRefusals({ RPC_URL, OPERATOR_PRIVATE_KEY, CONTRACTS_FILE }: Settings): string[] {
  if (!RPC_URL) return [];
  const problems: string[] = [];
  if (!OPERATOR_PRIVATE_KEY)
    problems.push("RPC_URL is set, so OPERATOR_PRIVATE_KEY must hold the key of the operator on that chain");
  if (!CONTRACTS_FILE)
    problems.push(
      "RPC_URL is set, so CONTRACTS_FILE must name the file of deployed addresses; `npx anchorbook deploy` writes it",
    );
  return problems;
}

function toConfig(settings: Settings): CommandConfig {
  return {
    nodeEnv: settings.NODE_ENV,
    host: settings.HOST,
    port: settings.PORT,
    dataDir: resolve(settings.DATA_DIR),
    ...(settings.DATABASE_URL && { databaseUrl: settings.DATABASE_URL }),
    ...(settings.DATABASE_OWNER_URL && { databaseOwnerUrl: settings.DATABASE_OWNER_URL }),
    ...(settings.REDIS_URL && { redisUrl: settings.REDIS_URL }),
    ...(settings.RPC_URL && { rpcUrl: settings.RPC_URL }),
    ...(settings.OPERATOR_PRIVATE_KEY && { operatorPrivateKey: settings.OPERATOR_PRIVATE_KEY }),
    jwtSecret: settings.JWT_SECRET,
    ...(settings.JWT_JWKS_URL && { jwtJwksUrl: settings.JWT_JWKS_URL }),
    settleCron: settings.SETTLE_CRON,
    chainFinality: settings.CHAIN_FINALITY,
    rateLimitPerMinute: settings.RATE_LIMIT_PER_MINUTE,
    diskWatermarkMb: settings.DISK_WATERMARK_MB,
    allowPrivateWebhooks: settings.WEBHOOK_PRIVATE_ADDRESSES
      ? settings.WEBHOOK_PRIVATE_ADDRESSES === "allow"
      : settings.NODE_ENV !== "production",
    ...(settings.LOG_PRIVATE_KEY && { logPrivateKey: settings.LOG_PRIVATE_KEY }),
    logOrigin: settings.LOG_ORIGIN ?? DEFAULT_LOG_ORIGIN,
    logWitnesses: settings.LOG_WITNESSES ?? [],
    testClock: settings.TEST_CLOCK,
    ...(settings.CONTRACTS_FILE && { contractsFile: resolve(settings.CONTRACTS_FILE) }),
    logLevel: settings.LOG_LEVEL,
    api: settings.ANCHORBOOK_API ?? `http://127.0.0.1:${settings.PORT}`,
    ...(settings.ANCHORBOOK_TOKEN && { apiToken: settings.ANCHORBOOK_TOKEN }),
    answerSeconds: settings.ANCHORBOOK_TIMEOUT_SECONDS,
  };
}

export interface SettingDescription {
  name: string;
  /** Secrets masked; where nothing is set, what is used in its place. */
  value: string;
}

/** The effective settings by their environment names, fit to be printed. */
export function describeConfig(config: Config): SettingDescription[] {
  const secret = (value: string | undefined, absent: string) => (value === undefined ? absent : "********");
  const rows: [string, string][] = [
    ["NODE_ENV", config.nodeEnv],
    ["HOST", config.host],
    ["PORT", String(config.port)],
    ["DATA_DIR", config.dataDir],
    ["DATABASE_URL", maskUrlPassword(config.databaseUrl) ?? "(embedded Postgres)"],
    [
      "DATABASE_OWNER_URL",
      maskUrlPassword(config.databaseOwnerUrl) ??
        (config.databaseUrl ? "(not set: the server does not migrate)" : "(embedded Postgres)"),
    ],
    [
      "REDIS_URL",
      maskUrlPassword(config.redisUrl) ?? "(private redis-server if installed, else Postgres alone)",
    ],
    ["RPC_URL", maskRpcUrl(config.rpcUrl) ?? "(embedded chain)"],
    ["OPERATOR_PRIVATE_KEY", secret(config.operatorPrivateKey, "(key of the embedded chain)")],
    ["JWT_SECRET", config.jwtSecret === DEVELOPMENT_JWT_SECRET ? "(development value)" : "********"],
    ["JWT_JWKS_URL", maskUrlPassword(config.jwtJwksUrl) ?? "(not set: HS256 with JWT_SECRET)"],
    ["SETTLE_CRON", config.settleCron],
    ["CHAIN_FINALITY", config.rpcUrl ? String(config.chainFinality) : "(not used on the embedded chain)"],
    ["RATE_LIMIT_PER_MINUTE", String(config.rateLimitPerMinute)],
    [
      "DISK_WATERMARK_MB",
      config.databaseUrl ? "(not used: DATABASE_URL is set)" : String(config.diskWatermarkMb),
    ],
    ["WEBHOOK_PRIVATE_ADDRESSES", config.allowPrivateWebhooks ? "allow" : "refuse"],
    ["LOG_PRIVATE_KEY", secret(config.logPrivateKey, "(a file in DATA_DIR)")],
    ["LOG_ORIGIN", config.logOrigin],
    ["LOG_WITNESSES", config.logWitnesses.join(" ") || "(none: no cosignature is taken)"],
    ["TEST_CLOCK", config.testClock ? "1" : "0"],
    ["CONTRACTS_FILE", config.contractsFile ?? "(kept in DATA_DIR)"],
    ["BOOKS_FILE", config.books.map(({ asset }) => asset).join(" ") || "(none: TST alone settles)"],
    ["LOG_LEVEL", config.logLevel],
    ["ANCHORBOOK_API", config.api],
    ["ANCHORBOOK_TOKEN", secret(config.apiToken, "(a development token)")],
    ["ANCHORBOOK_TIMEOUT_SECONDS", String(config.answerSeconds)],
  ];
  return rows.map(([name, value]) => ({ name, value }));
}

function maskUrlPassword(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const parsed = new URL(text);
  if (parsed.password !== "") parsed.password = "********";
  for (const name of parsed.searchParams.keys())
    if (/password|secret|key|token/i.test(name)) parsed.searchParams.set(name, "********");
  return parsed.toString();
}

/** Providers put their key into the path, so that only the host is shown. */
function maskRpcUrl(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const { protocol, host, pathname, search } = new URL(text);
  return `${protocol}//${host}${pathname === "/" && search === "" ? "" : "/********"}`;
}

function readEnvFile(path: string): Environment {
  try {
    return parseEnv(readFileSync(path, "utf8"));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return {};
    throw new ConfigError([
      `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    ]);
  }
}

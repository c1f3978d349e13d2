/**
 * Structured logs: one JSON object a line on standard output. Whatever could
 * let a reader act as somebody else (tokens, keys, passwords, also inside URLs)
 * is cut out here, so that no caller has to remember. Holds no global logger:
 * whoever logs was handed a `Log`.
 */
import { type DestinationStream, pino, stdTimeFunctions } from "pino";

export type LogLevel = "fatal" | "error" | "warn" | "info" | "debug" | "trace" | "silent";

export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** A log whose lines all carry `fields` too. */
  child(fields: object): Log;
}

const SECRET_MEMBERS = [
  "authorization",
  "cookie",
  "token",
  "access_token",
  "api_token",
  "apiToken",
  "jwt",
  "secret",
  "jwtSecret",
  "jwt_secret",
  "password",
  "privateKey",
  "private_key",
  "operatorPrivateKey",
  "salt",
  "salts",
  "opening",
];

const REDACTED = "[redacted]";
const SECRET_PATHS = SECRET_MEMBERS.flatMap((member) => [member, `*.${member}`, `*.*.${member}`]);

/**
 * @param level lines below it are not written
 * @param destination a stream for tests; standard output without it
 */
export function createLog(level: LogLevel, destination?: DestinationStream): Log {
  const options = {
    level,
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    redact: { paths: SECRET_PATHS, censor: REDACTED },
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (fields: Record<string, unknown>) => maskUrls(fields),
    },
    serializers: {
      err: (value: unknown) => maskedError(value),
      error: (value: unknown) => maskedError(value),
    },
  };
  return destination ? pino(options, destination) : pino(options);
}

/** For programs that must say nothing but their result. */
export function silentLog(): Log {
  return createLog("silent");
}

const URL_PASSWORD = /([a-z][a-z0-9+.-]*:\/\/[^\s:/@]*:)[^\s@/]+@/gi;
const BEARER = /\bBearer\s+[A-Za-z0-9._~+/-]+=*/gi;

/** Cuts passwords out of URLs and tokens out of header text: `postgresql://u:secret@h/d` → `postgresql://u:[redacted]@h/d`. */
export function maskSecrets(text: string): string {
  return text.replace(URL_PASSWORD, `$1${REDACTED}@`).replace(BEARER, `Bearer ${REDACTED}`);
}

function maskUrls(fields: Record<string, unknown>): Record<string, unknown> {
  const masked: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields))
    masked[name] = typeof value === "string" ? maskSecrets(value) : value;
  return masked;
}

/** Members of an error that say what went wrong; a database error also carries its client, and with it a password. */
const ERROR_MEMBERS = ["code", "constraint", "table", "severity", "errno", "syscall", "status"];
const CAUSE_DEPTH = 3;

function maskedError(value: unknown, depth = CAUSE_DEPTH): unknown {
  if (!(value instanceof Error)) return typeof value === "string" ? maskSecrets(value) : value;
  const known = Object.entries(value).filter(([name]) => ERROR_MEMBERS.includes(name));
  return {
    type: value.name,
    message: maskSecrets(value.message),
    stack: maskSecrets(value.stack ?? ""),
    ...Object.fromEntries(known),
    ...(value.cause !== undefined && depth > 0 && { cause: maskedError(value.cause, depth - 1) }),
  };
}

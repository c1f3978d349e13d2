/**
 * `anchorbook token`: signs a token with the server's own HS256 secret. It is
 * how a developer gets in without an identity provider; where the server takes
 * tokens of one (JWT_JWKS_URL), no token can be made here.
 */
import { SignJWT } from "jose";
import { type Config, loadConfig } from "#config";
import { asUsage, type Command, EXIT_FAILED, EXIT_OK } from "./command.ts";
import { readArgs } from "./read-args.ts";

const ROLES = ["user", "operator", "auditor", "arbiter"];
const DEFAULT_LIFETIME = "1h";
const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };
const LONGEST_SECONDS = 366 * 86_400;

const HELP = `Usage: anchorbook token --sub USER [--roles ROLE,…] [--expires 1h] [--json]

Signs a token with JWT_SECRET, which the server of the same settings accepts:
  curl -H "Authorization: Bearer $(npx anchorbook token --sub user_a)" …

  --sub USER       the user id
  --roles ROLE,…   any of ${ROLES.join(", ")}; default user
  --expires TIME   30s, 15m, 1h, 7d; default ${DEFAULT_LIFETIME}, at most 366d
  --json           print { token, sub, roles, expires_at }
  -h, --help       print this

Exit code: 0 signed, 1 the settings allow none, 2 bad usage.
`;

interface Request {
  sub: string;
  roles: string[];
  lifetimeSeconds: number;
  json: boolean;
}

export const tokenCommand: Command = {
  name: "token",
  summary: "sign a development token",
  help: HELP,
  async run(args, io) {
    const request = asUsage(() => readRequest(args));
    const config = loadConfig(io.env);
    if (config.jwtJwksUrl) {
      io.stderr.write("anchorbook token: the server takes the tokens of JWT_JWKS_URL; get one there\n");
      return EXIT_FAILED;
    }
    const { token, expiresAt } = await signToken(config, request);
    const { sub, roles } = request;
    io.stdout.write(
      `${request.json ? JSON.stringify({ token, sub, roles, expires_at: expiresAt }) : token}\n`,
    );
    return EXIT_OK;
  },
};

/** Token times are wall time, whatever the ledger's clock says. */
export async function signToken(
  config: Pick<Config, "jwtSecret">,
  claims: { sub: string; roles: readonly string[]; lifetimeSeconds: number },
): Promise<{ token: string; expiresAt: string }> {
  const issuedAt = Math.floor(Date.now() / 1000);
  const expiresAt = issuedAt + claims.lifetimeSeconds;
  const token = await new SignJWT({ roles: [...claims.roles] })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setSubject(claims.sub)
    .setIssuedAt(issuedAt)
    .setExpirationTime(expiresAt)
    .sign(new TextEncoder().encode(config.jwtSecret));
  return { token, expiresAt: new Date(expiresAt * 1000).toISOString().replace(".000Z", "Z") };
}

function readRequest(args: readonly string[]): Request {
  const { values } = readArgs({
    args: [...args],
    options: {
      sub: { type: "string" },
      roles: { type: "string", default: "user" },
      expires: { type: "string", default: DEFAULT_LIFETIME },
      json: { type: "boolean", default: false },
    },
  });
  if (!values.sub) throw new Error("--sub USER is missing");
  const roles = values.roles.split(",").map((role) => role.trim());
  const unknown = roles.find((role) => !ROLES.includes(role));
  if (unknown !== undefined) throw new Error(`there is no role "${unknown}"; roles are ${ROLES.join(", ")}`);
  return { sub: values.sub, roles, lifetimeSeconds: parseLifetime(values.expires), json: values.json };
}

function parseLifetime(text: string): number {
  const match = /^(\d{1,8})([smhd])$/.exec(text);
  const seconds = match ? Number(match[1]) * (UNIT_SECONDS[match[2] ?? ""] ?? 0) : 0;
  if (seconds < 1 || seconds > LONGEST_SECONDS)
    throw new Error(`--expires "${text}" must be a time such as 30s, 15m, 1h or 7d, at most 366d`);
  return seconds;
}

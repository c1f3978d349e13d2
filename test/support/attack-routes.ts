/**
 * Attacks every route of an app over HTTP, knowing nothing about it but its
 * definition: with no token, with every kind of bad token, with wrong roles, as
 * another user, and with malformed input. Whatever routes are added later are
 * attacked without another line of test. Each function answers the breaches it
 * found and how many requests it made; a test expects `breaches` to be empty and
 * `requests` not to be 0.
 */
import { ROLES, type Role, type Route } from "#api";
import { badAuthorizations, bearer } from "./tokens.ts";

export interface AttackTarget {
  /** A server that verifies with `TEST_JWT_SECRET`, with its rate limit off. */
  readonly baseUrl: string;
  readonly routes: readonly Route[];
  /** Sent as `X-Ledger`. */
  readonly ledger?: string;
}

export interface AttackReport {
  readonly requests: number;
  readonly breaches: readonly string[];
}

/** A user, and a path segment, that exist nowhere. */
const NOBODY = "nobody-at-all";
const SOMEBODY_ELSE = "somebody-else";

/** No token, bad tokens, wrong roles, wrong user. */
export async function attackAccess(target: AttackTarget): Promise<AttackReport> {
  const attack = new Attack(target);
  for (const { route, path } of everyPath(target.routes)) {
    if ("public" in route.auth) {
      if (!route.auth.ignoreToken) await attack.badTokens(route, path, ["user"]);
      continue;
    }
    const { roles, ownUser } = route.auth;
    await attack.expect(route, path, "no token", 401, {});
    await attack.badTokens(route, path, roles);
    for (const role of ROLES.filter((one) => !roles.includes(one)))
      await attack.expect(route, path, `role ${role}`, 403, { authorization: bearer(NOBODY, role) });
    await attack.expect(route, path, "no role", 403, { authorization: bearer(NOBODY, "nothing-known") });
    if (!ownUser) continue;
    for (const role of roles.filter((one) => !ownUser.except?.includes(one)))
      await attack.expect(route, path, "another user", 403, { authorization: bearer(SOMEBODY_ELSE, role) });
  }
  return attack.report();
}

/** Malformed bodies, unknown members and hostile paths: always 4xx with a stable code, never 5xx. */
export async function attackInput(target: AttackTarget): Promise<AttackReport> {
  const attack = new Attack(target);
  for (const { route, path } of everyPath(target.routes)) {
    const authorization = bearer(NOBODY, ...rolesOf(route));
    await attack.expect(route, `${path}?no_such_member=1`, "unknown query member", [400, 403], {
      authorization,
    });
    if (path.includes("{")) await attack.paths(route, path, authorization);
    if (route.method !== "get" && route.method !== "delete") await attack.bodies(route, path, authorization);
  }
  return attack.report();
}

const HOSTILE_SEGMENTS = ["%00", "a%00b", "%ED%A0%80", "%ZZ", "a%0Ab", "a%2F..%2Fb", "%20", "a".repeat(2000)];

const HOSTILE_BODIES: Readonly<Record<string, string>> = {
  "not JSON": "{",
  "a comma too many": '{"a":1,}',
  NaN: '{"amount":NaN}',
  "not an object": "[]",
  null: "null",
  text: '"text"',
  "an unknown member": '{"no_such_member":1}',
  __proto__: '{"__proto__":{"roles":["operator"]}}',
  constructor: '{"constructor":{"prototype":{}}}',
  "a member given twice": '{"amount":"1","amount":"1000000"}',
  "U+0000": '{"reason":"\\u0000"}',
  "a lone surrogate": '{"reason":"\\ud800"}',
  "a huge number": '{"amount":1e400}',
  "deep nesting": `${'{"a":'.repeat(5000)}1${"}".repeat(5000)}`,
};

class Attack {
  readonly #target: AttackTarget;
  readonly #breaches: string[] = [];
  #requests = 0;

  constructor(target: AttackTarget) {
    this.#target = target;
  }

  report(): AttackReport {
    return { requests: this.#requests, breaches: this.#breaches };
  }

  async badTokens(route: Route, path: string, roles: readonly Role[]): Promise<void> {
    for (const [what, authorization] of Object.entries(badAuthorizations(NOBODY, roles)))
      await this.expect(route, path, `token: ${what}`, 401, { authorization });
  }

  async paths(route: Route, path: string, authorization: string): Promise<void> {
    for (const segment of HOSTILE_SEGMENTS) {
      const hostile = path.replace(/\{\w+\}/, segment);
      await this.expect(route, hostile, `path ${segment.slice(0, 20)}`, [400, 403, 404], { authorization });
    }
  }

  async bodies(route: Route, path: string, authorization: string): Promise<void> {
    const json = { authorization, "content-type": "application/json" };
    // With path parameters that its schema refuses, 400 says that instead; with another user's id, 403.
    for (const [what, body] of Object.entries(HOSTILE_BODIES))
      await this.expect(route, path, `body: ${what}`, [400, 403], json, body);
    await this.expect(route, path, "body: bytes", [400, 403], json, new Uint8Array([0x22, 0xff, 0x22]));
    const tooLarge = `{"reason":"${"a".repeat(route.maxBodyBytes)}"}`;
    await this.expect(route, path, "body: too large", [400, 403, 413], json, tooLarge);
    const form = { authorization, "content-type": "application/x-www-form-urlencoded" };
    await this.expect(route, path, "body: a form", [400, 403, 415], form, "a=1");
    const badKey = { ...json, "idempotency-key": "with space" };
    if (!("public" in route.auth))
      await this.expect(route, path, "idempotency key", [400, 403], badKey, "{}");
  }

  /** Sends, and notes a breach where status, media type or shape are not those of the expected refusal. */
  async expect(
    route: Route,
    path: string,
    what: string,
    expected: number | readonly number[],
    headers: Readonly<Record<string, string>>,
    body?: string | Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    this.#requests += 1;
    const url = `${this.#target.baseUrl}${path.replace(/\{\w+\}/g, NOBODY)}`;
    const response = await fetch(url, {
      method: route.method.toUpperCase(),
      headers: { ...headers, ...(this.#target.ledger && { "x-ledger": this.#target.ledger }) },
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    const statuses = typeof expected === "number" ? [expected] : expected;
    const fault = statuses.includes(response.status)
      ? faultOf(response, text)
      : `answered ${response.status} instead of ${statuses.join(" or ")}: ${text.slice(0, 200)}`;
    if (fault) this.#breaches.push(`${route.method.toUpperCase()} ${path.slice(0, 120)}, ${what}: ${fault}`);
  }
}

function faultOf(response: Response, text: string): string | null {
  if (!response.headers.get("content-type")?.startsWith("application/problem+json"))
    return "is not a problem document";
  if (!response.headers.get("x-request-id")) return "has no X-Request-Id";
  if (response.status === 401 && !response.headers.get("www-authenticate")) return "has no WWW-Authenticate";
  const problem: unknown = JSON.parse(text);
  const members = ["type", "title", "status", "detail", "instance", "error", "message", "details"];
  if (typeof problem !== "object" || problem === null) return "is no object";
  const missing = members.filter((member) => !(member in problem));
  if (missing.length > 0) return `lacks ${missing.join()}`;
  return /node_modules|\.ts:\d+|SELECT |INSERT /.test(text) ? `tells too much: ${text}` : null;
}

function rolesOf(route: Route): readonly Role[] {
  return "public" in route.auth ? ["user"] : route.auth.roles;
}

function everyPath(routes: readonly Route[]): { route: Route; path: string }[] {
  return routes.flatMap((route) => route.paths.map((path) => ({ route, path })));
}

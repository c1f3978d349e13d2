/** Tokens for tests: good ones, and each kind of bad one that a server must refuse. */
import { createHmac, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";

export const TEST_JWT_SECRET = "a-secret-of-this-test-run-only-0123456789abcdef";

const HOUR = 3600;

export interface Claims {
  readonly sub?: unknown;
  readonly roles?: unknown;
  readonly exp?: unknown;
  readonly nbf?: unknown;
}

type Signer = (input: string) => string;

/** Made by hand rather than by the library that verifies, so that impossible tokens can be made too. */
export function forgeToken(header: object, payload: object, signer: Signer): string {
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${signer(input)}`;
}

export function hmac(hash: "sha256" | "sha384" | "sha512", secret: string): Signer {
  return (input) => createHmac(hash, secret).update(input).digest("base64url");
}

export function rsa(key: KeyObject): Signer {
  return (input) => sign("sha256", Buffer.from(input), key).toString("base64url");
}

export function ecdsa(key: KeyObject): Signer {
  return (input) =>
    sign("sha256", Buffer.from(input), { key, dsaEncoding: "ieee-p1363" }).toString("base64url");
}

/** A good HS256 token, an hour long. */
export function signToken(claims: Claims, secret = TEST_JWT_SECRET): string {
  const header = { alg: "HS256", typ: "JWT" };
  return forgeToken(header, { exp: nowSeconds() + HOUR, ...claims }, hmac("sha256", secret));
}

export function bearer(sub: string, ...roles: readonly string[]): string {
  return `Bearer ${signToken({ sub, roles: roles.length > 0 ? roles : ["user"] })}`;
}

/** `Authorization` headers that a server with this HS256 secret must answer with 401, by what is wrong with each. */
export function badAuthorizations(sub: string, roles: readonly string[]): Record<string, string> {
  const good = { sub, roles, exp: nowSeconds() + HOUR };
  const hs256 = { alg: "HS256", typ: "JWT" };
  const right = hmac("sha256", TEST_JWT_SECRET);
  const genuine = forgeToken(hs256, good, right);
  const [header = "", , signature = ""] = genuine.split(".");
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const publicPem = publicKey.export({ type: "spki", format: "pem" }).toString();
  const tokens: Record<string, string> = {
    "random bytes": randomBytes(60).toString("base64url"),
    "three random parts": [12, 40, 32].map((size) => randomBytes(size).toString("base64url")).join("."),
    expired: forgeToken(hs256, { ...good, exp: nowSeconds() - 1 }, right),
    "without exp": forgeToken(hs256, { sub, roles }, right),
    "exp as text": forgeToken(hs256, { ...good, exp: "tomorrow" }, right),
    "not yet valid": forgeToken(hs256, { ...good, nbf: nowSeconds() + HOUR }, right),
    "without sub": forgeToken(hs256, { roles, exp: good.exp }, right),
    "sub that is no user id": forgeToken(hs256, { ...good, sub: "a b/../c" }, right),
    "sub with NUL": forgeToken(hs256, { ...good, sub: "a\u0000b" }, right),
    "sub as number": forgeToken(hs256, { ...good, sub: 7 }, right),
    "roles as text": forgeToken(hs256, { ...good, roles: roles.join() }, right),
    "alg none": forgeToken({ alg: "none" }, good, () => ""),
    "alg none with a signature": forgeToken({ alg: "none" }, good, right),
    "alg HS384": forgeToken({ alg: "HS384" }, good, hmac("sha384", TEST_JWT_SECRET)),
    "alg HS512": forgeToken({ alg: "HS512" }, good, hmac("sha512", TEST_JWT_SECRET)),
    "alg RS256 with a key of its own": forgeToken({ alg: "RS256" }, good, rsa(privateKey)),
    "a public key as HMAC secret": forgeToken(hs256, good, hmac("sha256", publicPem)),
    "another secret": forgeToken(hs256, good, hmac("sha256", `${TEST_JWT_SECRET}x`)),
    "an empty secret": forgeToken(hs256, good, hmac("sha256", "")),
    "a critical header nobody knows": forgeToken({ ...hs256, crit: ["x"], x: 1 }, good, right),
    "another payload": `${header}.${encode({ ...good, sub: `${sub}2` })}.${signature}`,
    "no signature": `${genuine.slice(0, genuine.lastIndexOf("."))}.`,
    "two parts": genuine.slice(0, genuine.lastIndexOf(".")),
  };
  const headers = Object.entries(tokens).map(([what, token]) => [what, `Bearer ${token}`]);
  return {
    ...Object.fromEntries(headers),
    "empty bearer": "Bearer ",
    "another scheme": `Basic ${Buffer.from(`${sub}:secret`).toString("base64")}`,
    "a token without its scheme": genuine,
    "two tokens": `Bearer ${genuine}, Bearer ${genuine}`,
  };
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

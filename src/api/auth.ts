/**
 * Tokens. A server verifies either with one shared secret (HS256 only) or with
 * the keys of one JWKS URL (RS256 and ES256 only), never both: a public key can
 * then not be passed off as an HMAC secret, and `none` is in neither list.
 * Token times are wall time, whatever the ledger's clock says.
 */
import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from "jose";
import { type Clock, DomainError } from "#kernel";
import { type Principal, ROLES, type Role, USER_ID_PATTERN } from "./principal.ts";
import { createRememberedTokens } from "./remembered-tokens.ts";

export type TokenKeys =
  | { readonly jwtSecret: string; readonly jwksUrl?: undefined }
  | { readonly jwksUrl: string; readonly jwtSecret?: undefined };

export type Identity =
  | { readonly kind: "anonymous" }
  | { readonly kind: "principal"; readonly principal: Principal; readonly expiresMs: number }
  /** A token came and is not good; `reason` says no more than its bearer may know. */
  | { readonly kind: "refused"; readonly reason: string };

/**
 * @param authorization the request's `Authorization` header
 * @throws DomainError `unavailable` where the JWKS cannot be fetched
 */
export type Authenticate = (authorization: string | undefined) => Promise<Identity>;

const SECRET_ALGORITHMS = ["HS256"];
const JWKS_ALGORITHMS = ["RS256", "ES256"];
const BEARER = /^Bearer +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+) *$/i;
const REFUSED: Identity = { kind: "refused", reason: "The token does not verify" };

export function createAuthenticate(keys: TokenKeys, clock: Clock): Authenticate {
  const verify = keys.jwksUrl === undefined ? secretVerifier(keys.jwtSecret) : jwksVerifier(keys.jwksUrl);
  const remembered = createRememberedTokens();
  return async (authorization) => {
    if (authorization === undefined) return { kind: "anonymous" };
    const token = BEARER.exec(authorization)?.[1];
    if (token === undefined) return { kind: "refused", reason: 'Authorization must be "Bearer" and a JWT' };
    const nowMs = clock.nowMs();
    const known = remembered.find(token, nowMs);
    if (known) return { kind: "principal", ...known };
    try {
      const payload = await verify(token, new Date(nowMs));
      const identity = identityOf(payload);
      if (identity.kind === "principal") remembered.remember(token, identity, nowMs);
      return identity;
    } catch (error) {
      if (error instanceof DomainError) throw error;
      if (error instanceof errors.JWTExpired) return { kind: "refused", reason: "The token has expired" };
      return REFUSED;
    }
  };
}

type Verify = (token: string, now: Date) => Promise<JWTPayload>;

function secretVerifier(secret: string): Verify {
  const key = new TextEncoder().encode(secret);
  return async (token, currentDate) => {
    const options = { algorithms: SECRET_ALGORITHMS, requiredClaims: ["sub", "exp"], currentDate };
    return (await jwtVerify(token, key, options)).payload;
  };
}

function jwksVerifier(url: string): Verify {
  const remote = createRemoteJWKSet(new URL(url));
  const keyFor: JWTVerifyGetKey = async (header, token) => {
    try {
      return await remote(header, token);
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys)
        throw error;
      if (error instanceof errors.JOSENotSupported) throw error;
      throw new DomainError("unavailable", "The keys that tokens are verified with cannot be fetched", {
        cause: error,
      });
    }
  };
  return async (token, currentDate) => {
    const options = { algorithms: JWKS_ALGORITHMS, requiredClaims: ["sub", "exp"], currentDate };
    return (await jwtVerify(token, keyFor, options)).payload;
  };
}

function identityOf(payload: JWTPayload): Identity {
  const { sub, roles } = payload;
  const expiresMs = (payload.exp ?? 0) * 1000;
  if (typeof sub !== "string" || !USER_ID_PATTERN.test(sub))
    return { kind: "refused", reason: "The token's sub is not a user id" };
  if (roles === undefined) return { kind: "principal", principal: { sub, roles: ["user"] }, expiresMs };
  if (!Array.isArray(roles)) return { kind: "refused", reason: "The token's roles are not a list" };
  // A role this server does not know gives nothing.
  const principal = { sub, roles: ROLES.filter((role: Role) => roles.includes(role)) };
  return { kind: "principal", principal, expiresMs };
}

/**
 * Who calls. A principal is what a verified token says and nothing else; rules
 * about whose data it may reach that a route's `auth` cannot express (the owner
 * of a lock is known only after reading it) use `requireOwner`.
 */
import { z } from "zod";
import { DomainError } from "#kernel";

export const ROLES = ["user", "operator", "auditor", "arbiter"] as const;
export type Role = (typeof ROLES)[number];

/**
 * 1 to 128 ASCII characters; what identity providers issue (`auth0|5f…`, e-mail addresses, UUIDs) fits. `wallet:…` is
 * the ledger's own name for who brought tokens in on-chain without being anybody's wallet yet.
 */
export const USER_ID_PATTERN = /^(?!wallet:)[A-Za-z0-9][A-Za-z0-9._:@+|-]{0,127}$/;

export const userIdSchema = z.string().regex(USER_ID_PATTERN, {
  error:
    "must be 1 to 128 characters, letters, digits and . _ : @ + | - only, beginning with a letter or digit and not with wallet:",
});

export interface Principal {
  readonly sub: string;
  readonly roles: readonly Role[];
}

export function hasRole(principal: Principal | null, ...roles: readonly Role[]): boolean {
  return principal?.roles.some((role) => roles.includes(role)) ?? false;
}

/**
 * Passes the owner, and callers with one of `exceptRoles`.
 * @throws DomainError `unauthenticated` without a token, else `forbidden`
 */
export function requireOwner(
  principal: Principal | null,
  ownerUserId: string,
  exceptRoles: readonly Role[] = [],
): Principal {
  if (!principal) throw new DomainError("unauthenticated", "This needs a token");
  if (principal.sub !== ownerUserId && !hasRole(principal, ...exceptRoles))
    throw new DomainError("forbidden", "This belongs to another user");
  return principal;
}

/**
 * Members of a body that the path or the token already says: where given, they must agree.
 * Another user's id is 403, any other disagreement 400.
 */
export function requireAgreement(
  body: Readonly<Record<string, unknown>>,
  expected: Readonly<Record<string, string>>,
): void {
  for (const [member, value] of Object.entries(expected)) {
    if (body[member] === undefined || body[member] === value) continue;
    if (member === "user_id") throw new DomainError("forbidden", "user_id is not the token's user");
    throw new DomainError("invalid_request", `${member} does not agree with the path`, {
      details: { member },
    });
  }
}

/** Whether a caller may use a route at all: decided from the token and the path alone, before the body is read. */
import { DomainError } from "#kernel";
import type { Identity } from "./auth.ts";
import { hasRole, type Principal } from "./principal.ts";
import type { Route } from "./route.ts";

/** @throws DomainError `unauthenticated` or `forbidden` */
export function authorize(
  route: Route,
  identity: Identity,
  params: Readonly<Record<string, unknown>>,
): Principal | null {
  if (identity.kind === "refused")
    throw new DomainError("unauthenticated", identity.reason, { details: { reason: "invalid_token" } });
  const principal = identity.kind === "principal" ? identity.principal : null;
  if ("public" in route.auth) return principal;
  if (!principal) throw new DomainError("unauthenticated", "This needs a token");
  const { roles, ownUser } = route.auth;
  if (!hasRole(principal, ...roles))
    throw new DomainError("forbidden", `This needs the role ${roles.join(" or ")}`);
  if (ownUser && params[ownUser.param] !== principal.sub && !hasRole(principal, ...(ownUser.except ?? [])))
    throw new DomainError("forbidden", "This belongs to another user");
  return principal;
}

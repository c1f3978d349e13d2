/**
 * The access program over HTTP: agreements, tiers and compute.
 * Whose id a body names is checked here; every other rule is the program's.
 */
import { z } from "zod";
import type { AccessProgram } from "#programs/access";
import { QUOTA_GATE_HEADER } from "#quota";
import { hasRole, type Principal, requireAgreement, requireOwner } from "../principal.ts";
import { submitted } from "../reply.ts";
import { defineRoute, type Route } from "../route.ts";
import { opaqueId, userId } from "../schemas.ts";
import {
  agreementBody,
  consumedUnitAnswer,
  lockAnswer,
  lockBody,
  reservationAnswer,
  reserveBody,
  stakeAnswer,
  unstakeBody,
  upgradeBody,
} from "./access-schemas.ts";
import { tstRoutes } from "./tst.ts";

const agreementParams = z.strictObject({ agreement_id: opaqueId });
const strategyParams = z.strictObject({ strategy_id: opaqueId });
const asItIs = <T>(value: T): T => value;

export function accessRoutes(access: AccessProgram): Route[] {
  return [
    lockRoute(access),
    releaseRoute(access),
    terminateRoute(access),
    agreementRoute(access),
    upgradeRoute(access),
    tierRoute(access),
    unstakeRoute(access),
    reserveRoute(access),
    reservationRoute(access),
    ...tstRoutes(access),
  ];
}

function lockRoute(access: AccessProgram): Route {
  return defineRoute({
    method: "post",
    path: ["/api/v1/p2p/{agreement_id}/lock-tst", "/api/v1/p2p/agreements/{agreement_id}/lock-tst"],
    summary: "Lock TST for an agreement",
    description:
      "Holds TST of the token's user until the time is over. An agreement has one active lock; once that has ended the agreement can be locked again.",
    tags: ["TST access"],
    auth: { roles: ["user"] },
    params: agreementParams,
    body: lockBody,
    response: lockAnswer,
    errors: ["insufficient_balance", "invalid_amount", "already_locked"],
    async handler({ params, body, principal, idempotency }) {
      requireAgreement(body, { user_id: principal.sub, agreement_id: params.agreement_id });
      const request = {
        userId: principal.sub,
        agreementId: params.agreement_id,
        amount: body.amount ?? body.tst_amount ?? 0n,
        durationDays: body.duration_days,
        counterpartyId: body.counterparty_id,
        walletAddress: walletBytes(body.wallet_address),
      };
      return submitted(await access.lock(request, idempotency), asItIs);
    },
  });
}

function releaseRoute(access: AccessProgram): Route {
  return defineRoute({
    method: "post",
    path: "/api/v1/p2p/{agreement_id}/release",
    summary: "Release a lock whose time is over",
    description:
      "A job does it too; whichever comes second finds it released. By a party of the agreement or an operator; the TST returns to the locker.",
    tags: ["TST access"],
    auth: { roles: ["user", "operator"] },
    params: agreementParams,
    body: agreementBody,
    response: lockAnswer,
    errors: ["not_found", "not_expired", "not_active"],
    async handler({ params, body, principal, idempotency }) {
      requireAgreement(body, { user_id: principal.sub, agreement_id: params.agreement_id });
      const request = {
        agreementId: params.agreement_id,
        caller: principal.sub,
        isOperator: hasRole(principal, "operator"),
      };
      return submitted(await access.release(request, idempotency), asItIs);
    },
  });
}

function terminateRoute(access: AccessProgram): Route {
  return defineRoute({
    method: "post",
    path: "/api/v1/p2p/{agreement_id}/terminate",
    summary: "End a lock early",
    description:
      "Once both parties have asked, in either order, or by an arbiter; without a counterparty only by an arbiter. Until then the answer is the lock as it is, with who has asked. The TST returns to the locker.",
    tags: ["TST access"],
    auth: { roles: ["user", "arbiter"] },
    params: agreementParams,
    body: agreementBody,
    response: lockAnswer,
    errors: ["not_found", "not_active"],
    async handler({ params, body, principal, idempotency }) {
      requireAgreement(body, { user_id: principal.sub, agreement_id: params.agreement_id });
      const request = {
        agreementId: params.agreement_id,
        caller: principal.sub,
        isArbiter: hasRole(principal, "arbiter"),
      };
      return submitted(await access.terminate(request, idempotency), asItIs);
    },
  });
}

function agreementRoute(access: AccessProgram): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/p2p/{agreement_id}",
    summary: "The lock of an agreement as it is now",
    description: "The active lock, else the newest. For the parties, operators, auditors and arbiters.",
    tags: ["TST access"],
    auth: { roles: ["user", "operator", "auditor", "arbiter"] },
    params: agreementParams,
    response: lockAnswer,
    errors: ["not_found"],
    handler: ({ params, principal }) =>
      access.lockOf(
        params.agreement_id,
        hasRole(principal, "operator", "auditor", "arbiter") ? null : principal.sub,
      ),
  });
}

function upgradeRoute(access: AccessProgram): Route {
  return defineRoute({
    method: "post",
    path: "/api/v1/strategies/{strategy_id}/upgrade-tier",
    summary: "Stake TST for a tier",
    description:
      "The new quotas count from the answer on. A higher tier on the same strategy tops up the difference and begins a new period.",
    tags: ["TST access"],
    auth: { roles: ["user"] },
    params: strategyParams,
    body: upgradeBody,
    response: stakeAnswer,
    errors: ["insufficient_balance", "tier_not_higher"],
    async handler({ params, body, principal, idempotency }) {
      requireAgreement(body, { user_id: principal.sub, strategy_id: params.strategy_id });
      const request = {
        userId: principal.sub,
        strategyId: params.strategy_id,
        tier: body.tier,
        walletAddress: walletBytes(body.wallet_address),
      };
      return submitted(await access.upgradeTier(request, idempotency), asItIs);
    },
  });
}

function tierRoute(access: AccessProgram): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/strategies/{strategy_id}/tier",
    summary: "A user's stake on a strategy as it is now",
    tags: ["TST access"],
    auth: { roles: ["user", "operator", "auditor"] },
    params: strategyParams,
    query: z.strictObject({
      user_id: userId
        .optional()
        .meta({ description: "Default: the token's user. Another one is for operators and auditors." }),
    }),
    response: stakeAnswer,
    errors: ["not_found"],
    handler: ({ params, query, principal }) => {
      const asked = query.user_id ?? principal.sub;
      requireOwner(principal, asked, ["operator", "auditor"]);
      return access.stakeOf(asked, params.strategy_id);
    },
  });
}

function unstakeRoute(access: AccessProgram): Route {
  return defineRoute({
    method: "post",
    path: "/api/v1/strategies/{strategy_id}/emergency-unstake",
    summary: "End a user's stake before its time",
    description: "The TST returns to the user and the tier falls at once. The reason is kept.",
    tags: ["Operator"],
    auth: { roles: ["operator"] },
    params: strategyParams,
    body: unstakeBody,
    response: stakeAnswer,
    errors: ["not_found", "not_active"],
    async handler({ params, body, principal, idempotency }) {
      requireAgreement(body, { strategy_id: params.strategy_id });
      const request = {
        userId: body.user_id,
        strategyId: params.strategy_id,
        operator: principal.sub,
        reason: body.reason,
      };
      return submitted(await access.emergencyUnstake(request, idempotency), asItIs);
    },
  });
}

function reserveRoute(access: AccessProgram): Route {
  return defineRoute({
    method: "post",
    path: "/api/v1/entities/{entity_id}/reserve-compute",
    summary: "Hold TST for more quota, or use one unit of today's",
    description: `With \`duration_days\` TST is held and the entity's type has more quota a day, at once. Without it one unit of today's quota is used; a refusal uses nothing. \`${QUOTA_GATE_HEADER}: bypassed\` says that the counters in front of the database were not asked.`,
    tags: ["TST access"],
    auth: { roles: ["user"] },
    params: z.strictObject({ entity_id: opaqueId }),
    body: reserveBody,
    response: z.union([reservationAnswer, consumedUnitAnswer]),
    errors: ["insufficient_balance", "quota_exceeded"],
    async handler({ params, body, principal, idempotency, req }) {
      requireAgreement(body, { user_id: principal.sub, entity_id: params.entity_id });
      const request = {
        userId: principal.sub,
        entityId: params.entity_id,
        entityType: body.entity_type,
        entity: body.entity,
        walletAddress: walletBytes(body.wallet_address),
      };
      if (body.duration_days !== undefined) {
        const reserved = await access.reserveCompute(
          { ...request, durationDays: body.duration_days },
          idempotency,
        );
        return submitted(reserved, asItIs);
      }
      // On the response itself: a refusal, which is not this handler's to send, carries it too.
      const onGateBypassed = () => req.res?.set(QUOTA_GATE_HEADER, "bypassed");
      return submitted(await access.consumeCompute(request, idempotency, onGateBypassed), asItIs);
    },
  });
}

function reservationRoute(access: AccessProgram): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/entities/reservations/{reservation_id}",
    summary: "A reservation, or a used unit of quota, as it is now",
    tags: ["TST access"],
    auth: { roles: ["user", "operator", "auditor"] },
    params: z.strictObject({ reservation_id: opaqueId }),
    response: z.union([reservationAnswer, consumedUnitAnswer]),
    errors: ["not_found"],
    handler: ({ params, principal }) =>
      access.reservationOf(params.reservation_id, unlessPrivileged(principal)),
  });
}

/** Null for callers who may see every user's; else the user whose things alone may be seen. */
function unlessPrivileged(principal: Principal): string | null {
  return hasRole(principal, "operator", "auditor") ? null : principal.sub;
}

function walletBytes(address: string | undefined): Uint8Array | undefined {
  return address === undefined ? undefined : Buffer.from(address.slice(2), "hex");
}

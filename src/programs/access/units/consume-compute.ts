/** Uses one unit of today's quota of an entity's type and keeps a record of it. No TST moves. */
import type { Idempotency, Unit } from "#ledger";
import { consumeQuota } from "#quota";
import { newAccessId } from "../access-id.ts";
import { type ConsumedUnitAnswer, consumedUnitAnswer } from "../answers.ts";
import type { ConsumedUnit } from "../model.ts";
import { consumedUnitTable } from "../tables.ts";
import { draw, openUser, type UnitContext } from "./context.ts";

export interface ConsumeRequest {
  readonly userId: string;
  readonly entityType: number;
  readonly entityId: string;
  readonly walletAddress: Uint8Array | undefined;
}

/** @throws DomainError `quota_exceeded`: nothing was consumed; `invalid_request` for an unknown type */
export function consumeComputeUnit(
  context: UnitContext,
  request: ConsumeRequest,
  idempotency: Idempotency | undefined,
): Unit<ConsumedUnitAnswer> {
  const { userId, entityType, entityId, walletAddress } = request;
  const { salt } = draw(context.ids);
  const id = newAccessId(context.ids, "res");
  return {
    name: "access.consume_compute",
    idempotency,
    decide(view) {
      const { remaining } = consumeQuota(view, { userId, entityType, units: 1 });
      if (walletAddress) openUser(view, userId, salt, walletAddress);
      const unit: ConsumedUnit = { id, userId, entityType, entityId, createdAt: view.now };
      view.putRow(consumedUnitTable, unit);
      return consumedUnitAnswer(unit, remaining);
    },
  };
}

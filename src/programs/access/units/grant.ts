/** Gives a user units of an asset from its treasury, never more than the treasury holds. */

import { type Amount, DomainError, formatAmount, parseAmount, toRfc3339 } from "#kernel";
import type { Idempotency, Unit } from "#ledger";
import { newAccessId } from "../access-id.ts";
import { availableAccount, treasuryAccount } from "../accounts.ts";
import type { GrantAnswer } from "../answers.ts";
import { emitGrant } from "../events.ts";
import { draw, type UnitContext } from "./context.ts";

export interface GrantRequest {
  readonly userId: string;
  readonly asset: string;
  /** As it came: only the asset, read with the batch, knows its decimals. */
  readonly amount: string | number;
  readonly reason: string;
  readonly operator: string;
}

/** @throws DomainError `not_found` for an asset, `invalid_amount`, `insufficient_balance` of the treasury */
export function grantUnit(
  context: UnitContext,
  request: GrantRequest,
  idempotency: Idempotency | undefined,
): Unit<GrantAnswer> {
  const { userId, asset } = request;
  const { transferId, salt } = draw(context.ids);
  const grantId = newAccessId(context.ids, "grant");
  const treasury = context.accountId(treasuryAccount(asset));
  const accounts = [treasury, context.accountId(availableAccount(userId, asset))];
  return {
    name: "access.grant",
    idempotency,
    weight: 2,
    reads: { accounts, positions: accounts, assets: [asset], owners: [userId] },
    decide(view) {
      const known = view.asset(asset);
      if (!known) throw new DomainError("not_found", `There is no asset ${asset}`, { details: { asset } });
      const amount = parseAmount(request.amount, known.scale);
      if (amount === 0n)
        throw new DomainError("invalid_amount", "amount must be above zero", {
          details: { member: "amount" },
        });
      const text = (units: Amount) => formatAmount(units, known.scale);
      const held = view.availableBalance(treasury);
      if (held < amount) {
        throw new DomainError("insufficient_balance", `The treasury does not have enough ${asset}`, {
          details: `Required: ${text(amount)} ${asset}, Available: ${text(held)} ${asset}`,
        });
      }
      view.openOwner(userId, salt);
      const available = view.openAccount(availableAccount(userId, asset));
      view.move({
        id: transferId,
        debitAccount: treasury,
        creditAccount: available,
        amount,
        code: "grant",
        reference: grantId,
        metadata: { reason: request.reason, operator: request.operator },
      });
      view.setPosition({
        account: available,
        section: "balances",
        user: userId,
        keyParts: [userId],
        validUntil: 0,
        kind: 0,
        quantity: 0,
      });
      emitGrant(view, { id: grantId, userId, asset, amount }, known.scale);
      return {
        grant_id: grantId,
        user_id: userId,
        asset,
        amount: text(amount),
        reason: request.reason,
        available: text(view.availableBalance(available)),
        created_at: toRfc3339(view.now),
      };
    },
  };
}

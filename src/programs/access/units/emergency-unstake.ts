/** An operator ends a user's stake before its time and says why. */

import { DomainError } from "#kernel";
import type { Idempotency, Unit } from "#ledger";
import { availableAccount, stakedAccount } from "../accounts.ts";
import { PENDING, type StakeAnswer, stakeAnswer } from "../answers.ts";
import { TST } from "../model.ts";
import { rulesOf, tierFor } from "../rules.ts";
import { newestStakeTable, rulesTable, userTable } from "../tables.ts";
import { positionKeyOf, type UnitContext } from "./context.ts";
import { endStake, newestStake } from "./end-stake.ts";

export interface EmergencyUnstakeRequest {
  readonly userId: string;
  readonly strategyId: string;
  readonly operator: string;
  readonly reason: string;
}

/** @throws DomainError `not_found`, `not_active` */
export function emergencyUnstakeUnit(
  context: UnitContext,
  request: EmergencyUnstakeRequest,
  idempotency: Idempotency | undefined,
): Unit<StakeAnswer> {
  const { userId, strategyId, operator, reason } = request;
  const transferId = context.ids.uuid();
  const accounts = [
    context.accountId(availableAccount(userId)),
    context.accountId(stakedAccount(userId, strategyId)),
  ];
  return {
    name: "access.emergency_unstake",
    idempotency,
    reads: {
      accounts,
      positions: accounts,
      assets: [TST.code],
      rows: [
        { table: rulesTable, key: {} },
        { table: newestStakeTable, key: { user_id: userId, strategy_id: strategyId } },
        { table: userTable, key: { user_id: userId } },
      ],
    },
    decide(view) {
      const stake = newestStake(view, userId, strategyId);
      if (!stake) throw new DomainError("not_found", `${userId} has no stake on strategy ${strategyId}`);
      if (stake.status !== "staked")
        throw new DomainError("not_active", "The stake has ended and was returned");
      const ended = endStake(view, stake, { transferId, by: { operator, reason } });
      return stakeAnswer(
        ended,
        tierFor(rulesOf(view), stake.tier),
        positionKeyOf(view, stake.account),
        PENDING,
      );
    },
  };
}

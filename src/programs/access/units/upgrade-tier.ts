/**
 * Stakes TST for a tier of a strategy. A higher tier on a strategy that is
 * staked for tops up the difference and begins a new period of the same stake.
 */

import { DomainError, SECONDS_PER_DAY } from "#kernel";
import { exitDemanded, type Idempotency, type Unit, type View } from "#ledger";
import { newAccessId } from "../access-id.ts";
import { availableAccount, stakedAccount } from "../accounts.ts";
import { PENDING, type StakeAnswer, stakeAnswer } from "../answers.ts";
import { emitStake } from "../events.ts";
import { type Stake, type TierRule, TST } from "../model.ts";
import { rulesOf, tierFor } from "../rules.ts";
import { newestStakeTable, putStake, rulesTable, userTable } from "../tables.ts";
import { countStake, countUpgrade } from "../user-totals.ts";
import { draw, holdTst, openUser, type UnitContext } from "./context.ts";
import { endStake, newestStake } from "./end-stake.ts";

export interface UpgradeRequest {
  readonly userId: string;
  readonly strategyId: string;
  readonly tier: number;
  readonly walletAddress: Uint8Array | undefined;
}

/** @throws DomainError `invalid_request`, `tier_not_higher`, `insufficient_balance` */
export function upgradeTierUnit(
  context: UnitContext,
  request: UpgradeRequest,
  idempotency: Idempotency | undefined,
): Unit<StakeAnswer> {
  const { userId, strategyId } = request;
  const accounts = [
    context.accountId(availableAccount(userId)),
    context.accountId(stakedAccount(userId, strategyId)),
  ];
  const { transferId, salt } = draw(context.ids);
  const endingTransferId = context.ids.uuid();
  const stakeId = newAccessId(context.ids, "stake");
  return {
    name: "access.upgrade_tier",
    idempotency,
    weight: 2,
    reads: {
      accounts,
      positions: accounts,
      assets: [TST.code],
      owners: [userId],
      rows: [
        { table: rulesTable, key: {} },
        { table: newestStakeTable, key: { user_id: userId, strategy_id: strategyId } },
        { table: userTable, key: { user_id: userId } },
      ],
    },
    decide(view) {
      const rule = tierFor(rulesOf(view), request.tier);
      openUser(view, userId, salt, request.walletAddress);
      const active = activeStake(view, request, endingTransferId);
      if (active && active.tier >= rule.tier)
        throw new DomainError(
          "tier_not_higher",
          `The stake on ${strategyId} is of tier ${active.tier} already`,
          {
            details: { tier: active.tier },
          },
        );
      const stake = active
        ? topUp(view, active, rule, transferId)
        : firstStake(view, { request, rule, stakeId, transferId });
      const key = view.setPosition({
        account: stake.account,
        section: "stakes",
        user: userId,
        keyParts: [userId, strategyId],
        validUntil: stake.expiresAt,
        kind: stake.tier,
        quantity: 0,
      });
      return stakeAnswer(stake, rule, key, PENDING);
    },
  };
}

/** A stake that is due ends here where the job has not come by yet. */
function activeStake(view: View, request: UpgradeRequest, transferId: string): Stake | null {
  const stake = newestStake(view, request.userId, request.strategyId);
  if (stake?.status !== "staked") return null;
  if (stake.expiresAt > view.now) return stake;
  endStake(view, stake, { transferId });
  return null;
}

function firstStake(
  view: View,
  made: { request: UpgradeRequest; rule: TierRule; stakeId: string; transferId: string },
): Stake {
  const { userId, strategyId } = made.request;
  const account = holdTst(view, {
    transferId: made.transferId,
    userId,
    to: stakedAccount(userId, strategyId),
    amount: made.rule.requiredTst,
    code: "access.stake",
    reference: made.stakeId,
  });
  const stake: Stake = {
    id: made.stakeId,
    userId,
    strategyId,
    account,
    tier: made.rule.tier,
    amount: made.rule.requiredTst,
    createdAt: view.now,
    expiresAt: view.now + made.rule.durationDays * SECONDS_PER_DAY,
    status: "staked",
    endedAt: null,
    endedBy: null,
    endReason: null,
  };
  putStake(view, stake);
  countStake(view, stake, 1);
  emitStake(view, "stake.created", stake);
  return stake;
}

function topUp(view: View, stake: Stake, rule: TierRule, transferId: string): Stake {
  if (view.account(stake.account)?.exitDemanded) throw exitDemanded();
  const difference = rule.requiredTst - stake.amount;
  // A rule that was lowered since leaves the stake as large as it is.
  if (difference > 0n) {
    holdTst(view, {
      transferId,
      userId: stake.userId,
      to: stakedAccount(stake.userId, stake.strategyId),
      amount: difference,
      code: "access.stake",
      reference: stake.id,
    });
  }
  const raised: Stake = {
    ...stake,
    tier: rule.tier,
    amount: difference > 0n ? rule.requiredTst : stake.amount,
    expiresAt: view.now + rule.durationDays * SECONDS_PER_DAY,
  };
  putStake(view, raised);
  countUpgrade(view, stake, raised);
  emitStake(view, "stake.upgraded", raised, { previous_tier: stake.tier });
  return raised;
}

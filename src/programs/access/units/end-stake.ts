/** How a stake ends, by time or by an operator: it returns, and the tier falls with it. */
import type { View } from "#ledger";
import { emitStake } from "../events.ts";
import type { Stake } from "../model.ts";
import { newestStakeTable, putStake } from "../tables.ts";
import { countStake } from "../user-totals.ts";
import { returnTst } from "./context.ts";

/** A user's active stake on a strategy, else the newest one, else null. */
export function newestStake(view: View, userId: string, strategyId: string): Stake | null {
  return view.row(newestStakeTable, { user_id: userId, strategy_id: strategyId });
}

export function endStake(
  view: View,
  stake: Stake,
  end: {
    readonly transferId: string;
    /** The operator who ends it before its time, and why. */
    readonly by?: { readonly operator: string; readonly reason: string };
  },
): Stake {
  returnTst(view, {
    transferId: end.transferId,
    userId: stake.userId,
    from: stake.account,
    amount: stake.amount,
    code: end.by ? "access.emergency_unstake" : "access.unstake",
    reference: stake.id,
  });
  return closeStake(view, stake, end.by);
}

/** The stake ends, and the tier with it; where its amount goes is the caller's business. */
export function closeStake(
  view: View,
  stake: Stake,
  by?: { readonly operator: string; readonly reason: string },
): Stake {
  const ended: Stake = {
    ...stake,
    status: "expired",
    endedAt: view.now,
    endedBy: by?.operator ?? null,
    endReason: by?.reason ?? null,
  };
  putStake(view, ended);
  countStake(view, stake, -1);
  emitStake(view, by ? "stake.returned" : "stake.expired", ended);
  return ended;
}

/** A withdrawal: what a user has available goes to what is paid out to the user's own wallet. */
import { type Amount, DomainError, formatAmount, type Ids, parseAmount } from "#kernel";
import type { Idempotency, Unit } from "#ledger";
import type { Hex } from "#proof";
import { payoutsAccount } from "../accounts.ts";
import { type WithdrawalAnswer, withdrawalAnswer } from "../answers.ts";
import { emitWithdrawal } from "../events.ts";
import type { Withdrawal } from "../model.ts";
import { userWalletTable, withdrawalTable } from "../tables.ts";
import { openWithPosition, type UnitContext } from "./context.ts";

export interface WithdrawRequest {
  readonly userId: string;
  readonly asset: string;
  /** As it came: only the asset, read with the batch, knows its decimals. */
  readonly amount: string | number;
  /** Where given, it must be the linked one. */
  readonly wallet: Hex | null;
}

const ID_BYTES = 10;

/** 48 bits of time, 80 random ones: the proof of a payout is public to who knows the id. */
function newWithdrawalId(ids: Ids): string {
  const time = ids.uuid().replaceAll("-", "").slice(0, 12);
  return `wd_${time}${Buffer.from(ids.bytes(ID_BYTES)).toString("hex")}`;
}

/** @throws DomainError `no_wallet`, `invalid_amount`, `invalid_request`, `insufficient_balance` */
export function withdrawUnit(
  context: UnitContext,
  request: WithdrawRequest,
  idempotency: Idempotency | undefined,
): Unit<WithdrawalAnswer> {
  const { userId, asset } = request;
  const id = newWithdrawalId(context.ids);
  const transfer = context.ids.uuid();
  const available = context.accountId(context.balanceAccountOf(userId, asset));
  const account = context.accountId(payoutsAccount(userId, asset));
  const accounts = [available, account];
  return {
    name: "wallets.withdraw",
    idempotency,
    weight: 2,
    reads: {
      ...{ accounts, positions: accounts, owners: [userId], assets: [asset] },
      rows: [{ table: userWalletTable, key: { user_id: userId, asset } }],
    },
    decide(view) {
      const known = view.asset(asset);
      if (!known) throw new DomainError("not_found", `There is no asset ${asset}`, { details: { asset } });
      const linked = view.row(userWalletTable, { user_id: userId, asset });
      if (!linked) throw new DomainError("no_wallet", "Link a wallet first: POST /api/v1/wallets/message");
      if (request.wallet !== null && request.wallet !== linked.wallet)
        throw new DomainError("invalid_request", "wallet is not the linked one", {
          details: { member: "wallet" },
        });
      const amount = parseAmount(request.amount, known.scale);
      if (amount === 0n)
        throw new DomainError("invalid_amount", "amount must be above zero", {
          details: { member: "amount" },
        });
      const held = view.availableBalance(available);
      const text = (units: Amount) => formatAmount(units, known.scale);
      if (held < amount)
        throw new DomainError("insufficient_balance", `There is not enough ${asset} to withdraw`, {
          details: `Required: ${text(amount)} ${asset}, Available: ${text(held)} ${asset}`,
        });
      openWithPosition(view, payoutsAccount(userId, asset), "payouts", userId);
      view.move({
        ...{ id: transfer, debitAccount: available, creditAccount: account, amount },
        ...{ code: "withdrawal", reference: id },
      });
      const total = view.account(account)?.creditsPosted ?? 0n;
      const withdrawal: Withdrawal = {
        ...{ id, userId, asset, account, transfer, wallet: linked.wallet },
        ...{ amount, total, createdAt: view.now },
      };
      view.putRow(withdrawalTable, withdrawal);
      emitWithdrawal(view, withdrawal, known.scale);
      return withdrawalAnswer(withdrawal, known.scale, { status: "pending", epoch: null, txHash: null });
    },
  };
}

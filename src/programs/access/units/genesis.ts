/**
 * The first movement of TST: all of it from custody to the treasury, once, and
 * the treasury's position beside the users'. Its transfer has a fixed id, so that
 * the database itself refuses a second one.
 */
import type { Unit } from "#ledger";
import { custodyAccount, TREASURY_USER, treasuryAccount } from "../accounts.ts";
import { TST, TST_SUPPLY } from "../model.ts";
import { draw, type UnitContext } from "./context.ts";

const GENESIS_TRANSFER_ID = "00000000-0000-7000-8000-7473742d3030";

/** Answers true where this unit made it. */
export function genesisUnit(context: UnitContext): Unit<boolean> {
  const { salt } = draw(context.ids);
  return {
    name: "access.genesis",
    weight: 2,
    reads: { transfers: [GENESIS_TRANSFER_ID], owners: [TREASURY_USER], assets: [TST.code] },
    decide(view) {
      if (view.transfer(GENESIS_TRANSFER_ID)) return false;
      view.openOwner(TREASURY_USER, salt);
      const treasury = view.openAccount(treasuryAccount(TST.code));
      view.move({
        id: GENESIS_TRANSFER_ID,
        debitAccount: view.openAccount(custodyAccount(TST.code)),
        creditAccount: treasury,
        amount: TST_SUPPLY,
        code: "genesis",
      });
      view.setPosition({
        account: treasury,
        section: "balances",
        user: TREASURY_USER,
        keyParts: [TREASURY_USER],
        validUntil: 0,
        kind: 0,
        quantity: 0,
      });
      return true;
    },
  };
}

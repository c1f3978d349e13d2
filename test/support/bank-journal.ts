/** Bank journals of the tests' own making, in the form that `anchorbook import` reads. */
export interface MadeJournal {
  readonly text: string;
  readonly lines: number;
  /** Account-days with a transaction. */
  readonly accountDays: number;
}

const HEAD =
  '"trans_id";"account_id";"date";"type";"operation";"amount";"balance";"k_symbol";"bank";"account"';

/** `accounts` accounts with a transaction on each of `days` days, balances right to the last unit. */
export function makeBankJournal(accounts: number, days: number): MadeJournal {
  const lines = [HEAD];
  const balances = new Map<number, number>();
  let id = 1;
  for (let day = 1; day <= days; day++) {
    for (let account = 1; account <= accounts; account++) {
      const credit = day % 3 !== 0;
      const cents = 100 * account + day;
      const balance = (balances.get(account) ?? 0) + (credit ? cents : -cents);
      balances.set(account, balance);
      const date = `9301${String(day).padStart(2, "0")}`;
      const type = credit ? "PRIJEM" : day % 2 === 0 ? "VYDAJ" : "VYBER";
      lines.push(`${id++};${account};${date};"${type}";"VKLAD";${decimal(cents)};${decimal(balance)};"";;`);
    }
  }
  return { text: `${lines.join("\n")}\n`, lines: lines.length - 1, accountDays: accounts * days };
}

function decimal(cents: number): string {
  return (cents / 100).toFixed(2);
}

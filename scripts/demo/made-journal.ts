/**
 * A bank's journal of the demo's own making, in the form that `anchorbook import`
 * reads: salaries, rents and cash over a year, the same each time. One line in
 * it is wrong on purpose: a stated balance that its own amounts contradict.
 */
const HEAD =
  '"trans_id";"account_id";"date";"type";"operation";"amount";"balance";"k_symbol";"bank";"account"';
const ACCOUNTS = 40;
const LINES = 5_000;
const DAYS_IN_YEAR = 365;
const FIRST_DAY = Date.UTC(1993, 0, 1);
const DAY_MS = 86_400_000;
/** The line whose stated balance is wrong, and by how much: 100.00. */
const WRONG_LINE = 1_234;
const WRONG_BY = 10_000;

export function madeJournal(): string {
  const random = createRandom(1993);
  const balances = new Array<number>(ACCOUNTS).fill(0);
  const lines = [HEAD];
  for (let n = 0; n < LINES; n++) {
    const account = n < ACCOUNTS ? n : Math.floor(random() * ACCOUNTS);
    const before = balances[account] ?? 0;
    const amount = 10_000 + Math.floor(random() * 2_000_000);
    const credit = before < amount || random() < 0.5;
    const balance = credit ? before + amount : before - amount;
    balances[account] = balance;
    const stated = n === WRONG_LINE ? balance + WRONG_BY : balance;
    const type = credit ? "PRIJEM" : n % 2 === 0 ? "VYDAJ" : "VYBER";
    const operation = credit ? "VKLAD" : "PREVOD NA UCET";
    const date = dateText(Math.floor((n * DAYS_IN_YEAR) / LINES));
    const [id, name] = [100_000 + n, 1_000 + account];
    lines.push(`${id};${name};${date};"${type}";"${operation}";${decimal(amount)};${decimal(stated)};"";;`);
  }
  return `${lines.join("\n")}\n`;
}

/** A linear congruential generator: the same journal on every machine. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function dateText(day: number): string {
  return new Date(FIRST_DAY + day * DAY_MS).toISOString().slice(2, 10).replaceAll("-", "");
}

function decimal(cents: number): string {
  return (cents / 100).toFixed(2);
}

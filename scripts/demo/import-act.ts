/** Real input: a bank's journal goes in once, however often it is sent, and agrees with what the bank stated. */
import { parseCents, sumFile } from "./file-sums.ts";
import { grouped, mustBeOk, type Stage } from "./stage.ts";
import { duration } from "./story.ts";

interface ImportReport {
  readonly lines: number;
  readonly imported: number;
  readonly skipped: number;
  readonly errors: readonly { readonly line: number; readonly reason: string }[];
}

interface Reconciliation {
  readonly account_days: number;
  readonly agree: number;
  readonly differ: readonly {
    readonly account: string;
    readonly date: string;
    readonly statement: string;
    readonly ledger: string | null;
  }[];
}

const SHOWN = 10;

export async function importAct(stage: Stage, file: string): Promise<void> {
  const { story, anchorbook } = stage;
  const first = await anchorbook<ImportReport>("import", file);
  const { lines, imported, skipped, errors } = first.output;
  const rate = grouped((imported * 1_000) / first.milliseconds);
  story.say(`${grouped(imported)} of ${grouped(lines)} lines in ${duration(first.milliseconds)}`);
  story.figure(
    "journal import",
    `${grouped(imported)} transactions, ${rate} a second, start of the command included`,
  );
  for (const { line, reason } of errors.slice(0, SHOWN)) story.say(`line ${line} is refused: ${reason}`);
  story.check(
    "every line is in the ledger, or refused with its number",
    imported > 0 && skipped === 0 && imported + errors.length === lines,
    `${grouped(imported)} in, ${errors.length} refused`,
  );
  const again = await anchorbook<ImportReport>("import", file);
  story.check(
    "importing it again adds nothing",
    again.output.imported === 0 && again.output.skipped === imported,
    `${grouped(again.output.skipped)} there already, ${duration(again.milliseconds)}`,
  );
  await reconcileStep(stage, file);
  await trialBalanceStep(stage);
}

/**
 * The bank's own file is not free of contradictions. Which account-days cannot
 * agree is worked out from the file alone, by other code; the ledger must differ
 * on exactly those, and must there say what the file's amounts add up to.
 */
async function reconcileStep({ story, anchorbook }: Stage, file: string): Promise<void> {
  const { output, milliseconds } = await anchorbook<Reconciliation>("reconcile", file);
  const alone = sumFile(file);
  const summary = `${grouped(output.agree)} of ${grouped(output.account_days)} account-days agree within 0.50`;
  story.say(`reconciled in ${duration(milliseconds)}: ${summary}`);
  for (const { account, date, statement, ledger } of output.differ.slice(0, SHOWN))
    story.say(
      `account ${account}, ${date}: the statement says ${statement}, the ledger ${ledger ?? "nothing"}`,
    );
  story.figure("reconciliation", `${summary}; ${output.differ.length} differ`);
  const explained = output.differ.every(({ account, date, ledger }) => {
    const sum = alone.contradicted.get(`${account} ${date}`);
    return sum !== undefined && ledger !== null && parseCents(ledger) === sum;
  });
  story.check(
    "the ledger differs from the statements exactly where the file contradicts itself",
    explained &&
      output.differ.length === alone.contradicted.size &&
      output.account_days === alone.accountDays &&
      output.agree + output.differ.length === output.account_days,
    `${alone.contradicted.size} account-days, counted from the file alone`,
  );
}

interface TrialBalance {
  readonly data: readonly { readonly asset: string; readonly difference: string }[];
}

export async function trialBalanceStep({ story, operator }: Stage): Promise<void> {
  const { data } = mustBeOk(await operator.get<TrialBalance>("/api/v1/ledger/trial-balance"));
  story.check(
    "debits equal credits in every asset",
    data.length > 0 && data.every(({ difference }) => difference === "0"),
    data.map(({ asset, difference }) => `${asset} ${difference}`).join(", "),
  );
}

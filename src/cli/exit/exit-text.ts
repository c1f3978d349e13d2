/** What `anchorbook exit` shows people: the positions, the next steps, what could not be proven. */
import type { Hex } from "#proof";
import type { ExitData } from "./exit-data.ts";
import type { ExitStep } from "./exit-plan.ts";

export function positionsText(
  { header, positions, unproven }: ExitData,
  wallet: Hex,
  source: string,
  shown: (amount: bigint) => string,
): string {
  if (!header) return "no epoch is final yet: nothing can be proven\n";
  const lines = positions.map(
    ({ section, leaf }) => `${`${section} ${leaf.index}`.padEnd(16)} ${shown(leaf.amount)}\n`,
  );
  const nothing =
    unproven.length === 0
      ? "nothing; a position leaves on-chain only with a linked wallet\n"
      : "nothing in the sections that can be proven\n";
  return (
    `${wallet} in epoch ${header.epoch}, the last final one, by ${source}:\n` +
    (lines.length > 0 ? lines.join("") : nothing)
  );
}

export function stepsText(steps: readonly ExitStep[]): string {
  return steps
    .map(({ action, what, detail, call }) => {
      const head = call
        ? `now   ${action} of ${what}`
        : action === "wait"
          ? `later ${what}`
          : `done  ${what}`;
      const body = call
        ? `\n      to ${call.to}${call.fromOwner ? ", from the wallet itself" : ", from anybody"}\n      data ${call.data}`
        : "";
      return `${head}: ${detail}${body}\n`;
    })
    .join("");
}

/** @param txHash null: it was done meanwhile */
export function sentText({ action, what }: ExitStep, txHash: string | null): string {
  const name = `${action} of ${what}`;
  return txHash === null ? `done  ${name}, by another transaction\n` : `sent  ${name}: ${txHash}\n`;
}

/** For standard error. */
export function doubtsText({ notes, unproven }: ExitData): string {
  return [
    ...notes.map((note) => `note: ${note}\n`),
    ...unproven.map(({ section, reason }) => `not proven: ${section}: ${reason}\n`),
  ].join("");
}

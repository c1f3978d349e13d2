/** An auditor recomputes everything; then a server lies by one byte, and the audit names the place. */
import { changeDigit, type Lie, startLyingApi } from "./lying-api.ts";
import type { Settled } from "./settlement-act.ts";
import { grouped, type Stage } from "./stage.ts";
import { duration } from "./story.ts";

interface Audit {
  readonly valid: boolean;
  readonly epochs: number;
  readonly lines: number;
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly detail: string }[];
}

/** A line in the middle of the first epoch, by its `seq`. */
const CHANGED_LINE = 7;

export async function auditAct(stage: Stage, settled: Settled): Promise<void> {
  const { story, anchorbook, api } = stage;
  const audit = (url: string) =>
    anchorbook<Audit>("audit", "--rpc", settled.rpcUrl, "--api", url, "--registry", settled.registry);
  const honest = await audit(api);
  const { valid, epochs, lines, checks } = honest.output;
  for (const { name, ok, detail } of checks) story.say(`${ok ? "✓" : "✗"} ${name}: ${detail}`);
  story.check(
    "the audit of everything that is published is green",
    honest.exitCode === 0 && valid && checks.length > 0 && checks.every(({ ok }) => ok),
    `${epochs} epochs, ${grouped(lines)} journal lines, ${duration(honest.milliseconds)}`,
  );
  story.figure(
    "audit",
    `${epochs} epochs, ${grouped(lines)} lines replayed and ${checks.length} checks in ${duration(honest.milliseconds)}`,
  );
  const tell = async (what: string, lie: Lie, names: readonly RegExp[]) => {
    const liar = await startLyingApi(api, lie);
    try {
      const { exitCode, output } = await audit(liar.url);
      const found = output.checks.find(({ ok }) => !ok);
      const place = found ? `${found.name}: ${found.detail}` : "nothing found";
      const named = names.every((name) => name.test(place));
      story.check(
        `${what}, and the audit names the place`,
        liar.lies() > 0 && exitCode === 1 && !output.valid && named,
        place,
      );
    } finally {
      await liar.close();
    }
  };
  await tell(
    `one byte of a published leaf of epoch ${settled.epoch} is changed`,
    {
      path: ({ pathname, searchParams }) =>
        pathname === `/api/v1/audit/epochs/${settled.epoch}/leaves` &&
        searchParams.get("section") === "locks",
      change: (body) => changeDigit(body, "amount"),
    },
    [new RegExp(`epoch ${settled.epoch}\\b`), /\blocks\b/, /\b(index|leaf) 0\b/],
  );
  await tell(
    `one byte of journal line ${CHANGED_LINE} is changed`,
    {
      path: ({ pathname }) => pathname === "/api/v1/audit/journal",
      change: changeJournalLine,
    },
    [/\bepoch \d+\b/, new RegExp(`\\bjournal line ${CHANGED_LINE}\\b`)],
  );
}

function changeJournalLine(body: string): string {
  const lines = body.split("\n");
  const place = lines.findIndex((line) => line.includes(`"seq":"${CHANGED_LINE}"`));
  const line = lines[place];
  if (line === undefined) return body;
  // Earlier than the line before it: a later time would be found in the line behind it.
  lines[place] = line.replace(/("time":"\d)([1-9])/, (_, before, digit) => `${before}${digit - 1}`);
  return lines.join("\n");
}

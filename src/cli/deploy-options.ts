/**
 * Who makes epochs final in a book that is deployed: the flags of `anchorbook
 * deploy`, checked before anything is sent. The contracts would refuse the same,
 * but only once half of them are there.
 */
import { requireAddress } from "./option-checks.ts";
import { readArgs } from "./read-args.ts";

export interface DeployFlags {
  readonly force: boolean;
  readonly json: boolean;
  readonly ledger: string | null;
  /** Of a book of BOOKS_FILE. */
  readonly asset: string | null;
  /** Null where it is not said. */
  readonly windowSeconds: number | null;
  readonly attesters: readonly string[];
  readonly threshold: number | undefined;
  readonly admin: string | undefined;
  readonly guardian: string | undefined;
}

const MAX_WINDOW_SECONDS = 259_200;
const MAX_ATTESTERS = 32;
const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** @throws Error that says which flag is wrong, and how it should be */
export function readDeployFlags(args: readonly string[]): DeployFlags {
  const flag = { type: "boolean", default: false } as const;
  const text = { type: "string" } as const;
  const { values } = readArgs({
    args: [...args],
    options: {
      ...{ force: flag, json: flag, ledger: text, asset: text, window: text, threshold: text },
      ...{ admin: text, guardian: text, attester: { type: "string", multiple: true } },
    },
  });
  const attesters = (values.attester ?? []).map((address) => addressIn("--attester", address));
  const flags = {
    ...{ force: values.force, json: values.json, ledger: values.ledger ?? null, asset: values.asset ?? null },
    windowSeconds: values.window === undefined ? null : readWindow(values.window),
    attesters,
    threshold: values.threshold === undefined ? undefined : readThreshold(values.threshold),
    admin: values.admin && addressIn("--admin", values.admin),
    guardian: values.guardian && addressIn("--guardian", values.guardian),
  };
  refuse(flags);
  return flags;
}

function refuse({ windowSeconds, attesters, threshold, admin, guardian, asset, ledger }: DeployFlags): void {
  if (asset !== null && ledger !== null)
    throw new Error("--asset is a book of the default ledger: leave --ledger out");
  const distinct = new Set(attesters.map((address) => address.toLowerCase()));
  if (distinct.size !== attesters.length) throw new Error("each --attester is another account");
  if (attesters.length > MAX_ATTESTERS) throw new Error(`at most ${MAX_ATTESTERS} attesters`);
  if (threshold !== undefined && threshold > attesters.length)
    throw new Error(`--threshold ${threshold} needs as many --attester`);
  if (windowSeconds === null && attesters.length > 0)
    throw new Error(
      "--attester needs --window: how long an epoch can be challenged before it is final, such as --window 24h (with --guardian and --admin). --window 0 says that their signatures alone are wanted, and no time to object",
    );
  if (!windowSeconds) return;
  const missing = [
    ...(attesters.length === 0 ? ["--attester"] : []),
    ...(guardian ? [] : ["--guardian"]),
    ...(admin ? [] : ["--admin"]),
  ].map((flag) => `${flag} ADDRESS`);
  if (missing.length > 0 || !guardian || !admin)
    throw new Error(
      `--window needs ${listed(missing)}: somebody else than the operator has to be able to object`,
    );
  if (threshold === 0) throw new Error("--window needs a --threshold of at least one signature");
  const roles = [admin, guardian].map((address) => address.toLowerCase());
  if (new Set(roles).size !== roles.length || roles.some((role) => distinct.has(role)))
    throw new Error("--admin, --guardian and the attesters are different accounts");
}

/** "a", "a and b", "a, b and c". */
export function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

function readWindow(text: string): number {
  const [, count, unit = "s"] = /^(\d{1,6})([smhd])?$/.exec(text) ?? [];
  const seconds = count === undefined ? Number.NaN : Number(count) * (UNITS[unit] ?? 1);
  if (!(seconds <= MAX_WINDOW_SECONDS))
    throw new Error("--window is a time of at most 3 days, such as 24h, 90m or 86400");
  return seconds;
}

function readThreshold(text: string): number {
  if (!/^\d{1,2}$/.test(text)) throw new Error("--threshold is a number of signatures");
  return Number(text);
}

function addressIn(flag: string, text: string): string {
  requireAddress(flag, text);
  return text;
}

/** The books go to the chain as one epoch; a lock is proven against it, and time ends the lock. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Acted, accessOf } from "./access-act.ts";
import { changeDigit } from "./lying-api.ts";
import { grouped, mustBeOk, type Stage } from "./stage.ts";
import { duration } from "./story.ts";

export interface Settled {
  readonly rpcUrl: string;
  readonly registry: string;
  /** The epoch that holds alice's lock. */
  readonly epoch: number;
}

interface Run {
  readonly epoch: number;
  readonly status: string;
  readonly tx_hash: string;
}

interface Epoch {
  readonly epoch: number;
  readonly status: string;
  readonly gas_used: number;
  readonly finalize_gas_used: number;
  readonly journal_size: number;
  readonly leaves_changed: number;
  readonly header: { readonly sections: readonly { readonly sum: string; readonly count: string }[] };
}

interface Verification {
  readonly valid: boolean;
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly detail: string }[];
}

const SUPPLY = 1_000_000n * 10n ** 18n;
const EIGHT_DAYS_SECONDS = 8 * 86_400;

export async function settlementAct(stage: Stage, acted: Acted): Promise<Settled> {
  const { story, operator, nobody } = stage;
  const epoch = await settleStep(stage);
  const again = mustBeOk(await operator.post<Run>("/api/v1/admin/settlement/run", {}));
  story.check("settling again without a new line sends nothing", again.status === "unchanged", again.status);
  const contracts = mustBeOk(
    await nobody.get<{ rpc_url: string; registry: string }>("/api/v1/settlement/contracts"),
  );
  const settled = { rpcUrl: contracts.rpc_url, registry: contracts.registry, epoch };
  await proofStep(stage, acted, settled);
  return settled;
}

async function settleStep({ story, operator, nobody }: Stage): Promise<number> {
  const started = performance.now();
  const run = mustBeOk(await operator.post<Run>("/api/v1/admin/settlement/run", {}));
  const ms = performance.now() - started;
  const epoch = mustBeOk(await nobody.get<Epoch>("/api/v1/settlement/epochs/latest"));
  story.check(
    `epoch ${run.epoch} is committed and final on the chain`,
    // "unchanged" where the scheduled job came before us
    epoch.epoch === run.epoch && epoch.status === "final" && ["final", "unchanged"].includes(run.status),
    `${duration(ms)}, transaction ${run.tx_hash.slice(0, 18)}…`,
  );
  const [owed, positions] = epoch.header.sections.reduce(
    ([sum, count], section) => [sum + BigInt(section.sum), count + Number(section.count)],
    [0n, 0],
  );
  story.check(
    "what the epoch owes is what there is: 1,000,000 TST",
    owed === SUPPLY,
    `${positions} positions`,
  );
  story.figure(
    `epoch ${epoch.epoch}`,
    `${grouped(epoch.journal_size)} journal lines, ${epoch.leaves_changed} changed leaves, commit ${grouped(epoch.gas_used)} + finalize ${grouped(epoch.finalize_gas_used)} gas, ${duration(ms)}`,
  );
  return run.epoch;
}

async function proofStep({ story, anchorbook, nobody, folder }: Stage, acted: Acted, settled: Settled) {
  const shown = mustBeOk(
    await acted.alice.get<{ tx_hash: string | null; settlement: { status: string } }>(
      `/api/v1/p2p/${acted.agreement}`,
    ),
  );
  story.check(
    "alice's lock now names the transaction that settled it",
    shown.tx_hash !== null && shown.settlement.status === "final",
    shown.settlement.status,
  );
  const proof = JSON.stringify(mustBeOk(await nobody.get(`/api/v1/proofs/locks/${acted.lockId}`)));
  const [good, forged] = [join(folder, "proof.json"), join(folder, "forged-proof.json")];
  writeFileSync(good, proof);
  writeFileSync(forged, changeDigit(proof, "amount"));
  const pinned = ["--registry", settled.registry];
  const offline = await anchorbook<Verification>("verify", good);
  const onChain = await anchorbook<Verification>("verify", good, "--rpc", settled.rpcUrl, ...pinned);
  story.check(
    "the proof of alice's lock holds offline and against the chain",
    offline.exitCode === 0 && onChain.exitCode === 0 && onChain.output.valid,
    `${onChain.output.checks.length} checks`,
  );
  const lie = await anchorbook<Verification>("verify", forged);
  const found = lie.output.checks.find(({ ok }) => !ok);
  story.check(
    "a proof with one digit changed does not",
    lie.exitCode === 1 && !lie.output.valid,
    found && `${found.name}: ${found.detail}`,
  );
}

/** Eight days later: the lock has ended by itself, and another epoch says so; the old proof still stands for its own. */
export async function laterAct(stage: Stage, acted: Acted, settled: Settled): Promise<void> {
  const { story, operator, anchorbook, folder } = stage;
  await story.step(
    "the clock moves eight days",
    async () =>
      mustBeOk(
        await operator.post<{ now: string }>("/api/v1/dev/clock", { advance_seconds: EIGHT_DAYS_SECONDS }),
      ),
    ({ now }) => `it is ${now}`,
  );
  const access = await accessOf(acted.alice);
  const lock = mustBeOk(await acted.alice.get<{ status: string }>(`/api/v1/p2p/${acted.agreement}`));
  story.check(
    "alice's lock of seven days has ended, and all of it is hers again",
    lock.status === "released" && access.locked_tst === "0" && access.available_tst === "60",
    `${access.available_tst} TST available`,
  );
  const next = await settleStep(stage);
  story.check("it settles as an epoch of its own", next > settled.epoch, `epoch ${next}`);
  const old = await anchorbook<Verification>("verify", join(folder, "proof.json"), "--rpc", settled.rpcUrl);
  story.check(`the old proof still holds for epoch ${settled.epoch}`, old.exitCode === 0 && old.output.valid);
}

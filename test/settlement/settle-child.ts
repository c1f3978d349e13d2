/**
 * A process that does one thing of a settlement and is killed with -9 at a named
 * point; for the crash tests. Argument: JSON of `ChildSettings`.
 */
import { connectChain, createPool, type DeploymentRecord, silentLog } from "#infra";
import { systemClock } from "#kernel";
import { createLogSigner, type FaultPoint, openSettlement } from "#settlement";

export interface ChildSettings {
  databaseUrl: string;
  schema: string;
  rpcUrl: string;
  privateKey: string;
  record: DeploymentRecord;
  folder: string;
  /** Where it dies; null: nowhere. */
  dieAt: FaultPoint | null;
  /** It does not kill itself there, but says so on standard output, holds whatever it holds, and waits to be killed. */
  waits: boolean;
  /** To settle again and again: says so on standard output when it begins, and ends with standard input. */
  task: "run" | "advance" | "release" | "keep-running" | { attest: number; signature: string };
  /** Where the fee is to be raised soon. */
  replaceAfterMs: number;
}

const settings = JSON.parse(process.argv[2] ?? "{}") as ChildSettings;
const log = silentLog();
const chain = await connectChain({ rpcUrl: settings.rpcUrl, privateKey: settings.privateKey });
const pool = createPool({
  ...{ url: settings.databaseUrl, schema: settings.schema },
  ...{ applicationName: "settle-child", max: 4, log },
});
const settlement = await openSettlement({
  ...{ pool, asset: "TST", chain, record: settings.record, publishedFolder: settings.folder },
  ...{ clock: systemClock, log, logSigner: createLogSigner("log.example/test", new Uint8Array(32).fill(7)) },
  sender: { replaceAfterMs: settings.replaceAfterMs },
  faults: (point) => {
    if (point !== settings.dieAt) return;
    if (!settings.waits) process.kill(process.pid, "SIGKILL");
    process.stdout.write("there\n");
    return new Promise(() => {});
  },
});
const { task } = settings;
if (typeof task === "object") await settlement.attest(task.attest, task.signature);
else if (task !== "keep-running") await settlement[task]();
else {
  let isToEnd = false;
  process.stdin.on("end", () => {
    isToEnd = true;
  });
  process.stdin.resume();
  process.stdout.write("begins\n");
  while (!isToEnd) await settlement.run();
}
chain.close();
await pool.end();

/** A process that looks at the chain, settles, and is killed with -9 at a named step. Argument: JSON of `WatchChildSettings`. */
import { connectChain, createPool, type DeploymentRecord, silentLog } from "#infra";
import { systemClock, systemIds } from "#kernel";
import { openLedger } from "#ledger";
import { createLogSigner, openSettlement, type WatcherFault } from "#settlement";
import { createDataSource } from "../../ormconfig.ts";
import { openEffects } from "./watch-world.ts";

export interface WatchChildSettings {
  databaseUrl: string;
  schema: string;
  rpcUrl: string;
  privateKey: string;
  record: DeploymentRecord;
  folder: string;
  /** Wallets and their users. */
  linked: [string, string][];
  /** Where it dies. */
  dieAt: WatcherFault;
}

const settings = JSON.parse(process.argv[2] ?? "{}") as WatchChildSettings;
const { databaseUrl, schema, rpcUrl, privateKey, record } = settings;
const log = silentLog();
const chain = await connectChain({ rpcUrl, privateKey });
const pool = createPool({ url: databaseUrl, schema, applicationName: "watch-child", max: 4, log });
const ledger = await openLedger({ databaseUrl, schema, ids: systemIds, log });
const dataSource = await createDataSource({ url: databaseUrl, schema }).initialize();
const { effects } = await openEffects({ ledger, dataSource, linked: new Map(settings.linked) });
const settlement = await openSettlement({
  ...{ pool, asset: "TST", chain, record, publishedFolder: settings.folder, clock: systemClock, log },
  logSigner: createLogSigner("log.example/test", new Uint8Array(32).fill(7)),
  watching: {
    ...{ effects: () => effects, finality: 0, ids: systemIds },
    faults: (point) => {
      if (point === settings.dieAt) process.kill(process.pid, "SIGKILL");
    },
  },
});
await settlement.run();
// It should have died before.
process.exit(1);

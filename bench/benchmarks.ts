/** All benchmarks, in the order in which they run. */
import type { Benchmark } from "./benchmark.ts";
import { benchGasEpoch } from "./gas.ts";
import { benchHttpRead, benchProofRead } from "./http-read.ts";
import { benchHttpWrite } from "./http-write.ts";
import { benchLedgerHot, benchLedgerSingle, benchLedgerUniform } from "./ledger.ts";
import { benchLedgerHistory } from "./ledger-history.ts";
import { benchLedgerTwo } from "./ledger-two.ts";
import { benchQuotaConsume, benchQuotaDurable } from "./quota.ts";
import { benchSettle } from "./settle.ts";
import { benchTreeBuild, benchTreeMemory, benchTreeUpdate } from "./tree.ts";

export const benchmarks: readonly Benchmark[] = [
  { name: "ledger.uniform", run: benchLedgerUniform },
  { name: "ledger.hot", run: benchLedgerHot },
  { name: "ledger.single", run: benchLedgerSingle },
  { name: "ledger.history", run: benchLedgerHistory, once: true },
  { name: "ledger.two", run: benchLedgerTwo },
  { name: "http.write", run: benchHttpWrite },
  { name: "http.read", run: benchHttpRead },
  { name: "proof.read", run: benchProofRead },
  { name: "quota.consume", run: benchQuotaConsume },
  { name: "quota.durable", run: benchQuotaDurable },
  { name: "tree.build", run: benchTreeBuild },
  { name: "tree.update", run: benchTreeUpdate },
  { name: "tree.memory", run: benchTreeMemory },
  { name: "settle.epoch", run: benchSettle, once: true },
  { name: "gas.epoch", run: benchGasEpoch, once: true },
];

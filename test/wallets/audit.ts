/**
 * What an auditor does about owners, with public data alone: replays the journal
 * that epochs hold, holds every position line against the rules, checks every
 * signature anew. Answers the owners of all accounts, and how many signatures were checked.
 */
import { zeroPadValue } from "ethers";
import { contractArtifact, contractAt, recheckWalletSignature } from "#infra";
import {
  type Hex,
  parseJournalLine,
  ReplayState,
  type SignatureCheck,
  WalletRules,
  ZERO_ADDRESS,
} from "#proof";
import type { WalletWorld } from "./world.ts";

export interface Audited {
  readonly owners: ReadonlyMap<string, Hex>;
  readonly checked: number;
}

export async function auditOwners(
  world: WalletWorld,
  depositorOf: (txHash: Hex, logIndex: bigint) => Hex | null = () => null,
): Promise<Audited> {
  const { settlement, record, chain } = world;
  const epochs = (await settlement.epochs(null, 1_000)).toReversed();
  const cancelled = await cancellations(world);
  const rules = new WalletRules(
    { asset: "TST", chainId: BigInt(record.chain_id), registry: record.registry.toLowerCase() as Hex },
    {
      anchoredAt: (seq) => {
        const time = epochs.find((epoch) => BigInt(epoch.journalSize) > seq)?.blockTime;
        return time == null ? null : BigInt(time);
      },
      depositorOf,
    },
  );
  const replay = new ReplayState();
  const owners = new Map<string, Hex>();
  const checks: SignatureCheck[] = [];
  for await (const text of await settlement.journal(0, Number.MAX_SAFE_INTEGER)) {
    for (const one of text.split("\n").filter((line) => line !== "")) {
      const line = parseJournalLine(one);
      replay.apply(line);
      if (line.kind !== "position") continue;
      for (const check of rules.apply(line, owners.get(line.account) ?? ZERO_ADDRESS)) {
        if (!("due" in check)) checks.push(check);
        // Nobody follows the chain in that world: no objection has its line.
        else if (
          cancelled.some(
            (one) => one.key === check.user && one.wallet === check.previous && one.time < check.due,
          )
        )
          throw new Error(`line ${check.seq} completes what ${check.previous} has cancelled on-chain`);
      }
      owners.set(line.account, line.owner);
    }
  }
  for (const check of checks) {
    const verdict = await recheckWalletSignature(chain, check, check.block);
    if (verdict !== "signed") throw new Error(`the signature in line ${check.seq} is ${verdict}`);
  }
  return { owners, checked: checks.length };
}

async function cancellations({ record, chain }: WalletWorld) {
  const registry = contractAt(chain, "SettlementRegistry", record.registry);
  const topic = contractArtifact("SettlementRegistry").abi.getEvent("WalletCancelled")?.topicHash;
  if (topic === undefined) throw new Error("the registry has that event");
  const logs = await chain.provider.getLogs({
    ...{ address: await registry.getAddress(), topics: [topic] },
    ...{ fromBlock: record.deployed_block, toBlock: "latest" },
  });
  return Promise.all(
    logs.map(async (log) => ({
      key: log.topics[1] as Hex,
      wallet: `0x${(log.topics[2] ?? zeroPadValue("0x", 32)).slice(26)}` as Hex,
      time: BigInt((await chain.provider.getBlock(log.blockNumber))?.timestamp ?? 0),
    })),
  );
}

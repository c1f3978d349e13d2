/** Where `anchorbook exit` takes a book's leaves from, by its options, and which book it is. */
import { stat } from "node:fs/promises";
import type { Chain, DeploymentRecord } from "#infra";
import { ApiSource, type ServedBook } from "../audit/api-source.ts";
import { AuditState } from "../audit/audit-state.ts";
import { recordOf } from "../audit/chain-source.ts";
import { isOfThisVersion } from "../audit/code-check.ts";
import { UsageError } from "../command.ts";
import type { ContractsKnown } from "./contracts-doubt.ts";
import { fromApi, fromData, type KeptAudit, type LeafSource } from "./leaf-sources.ts";
import { isAddressOfCopy, type PublishedCopy, publishedCopy } from "./published-copy.ts";

export interface SourceOptions extends ServedBook {
  /** Folders and addresses; none: the server. */
  readonly data: readonly string[];
  readonly registry: string | undefined;
}

/** @throws Error where there is no such data, or it does not say its book and nobody else does */
export async function openSource(
  { data, registry, ...server }: SourceOptions,
  chain: Chain,
): Promise<{ source: LeafSource; record: DeploymentRecord; contracts: ContractsKnown }> {
  const contractsOf = (address: string) => recordOf([{ name: "the node", chain }], address, 0);
  if (data.length === 0) {
    const served = await new ApiSource(server).contracts();
    const record = await contractsOf(registry ?? served.registry);
    const contracts = { kind: "block", deployedBlock: served.deployedBlock } as const;
    return { source: fromApi(server), record, contracts };
  }
  const kept: KeptAudit[] = [];
  const copies: PublishedCopy[] = [];
  for (const place of data) {
    const state = isAddressOfCopy(place) ? null : await stateIn(place);
    if (state) kept.push({ folder: place, state });
    else copies.push(publishedCopy(place, server.answerSeconds));
  }
  const address = registry ?? kept[0]?.state.record.registry;
  if (address === undefined)
    throw new Error(
      `there is no data in ${data.join(", ")} that an audit kept; published files need --registry ADDRESS: whose book they are`,
    );
  const record = await contractsOf(address);
  for (const { folder, state } of kept) state.requireOf(record, state.ledger, folder);
  return { source: fromData(chain, record, kept, copies), record, contracts: knownBy(kept) };
}

function knownBy(kept: readonly KeptAudit[]): ContractsKnown {
  if (kept.some(({ state }) => isOfThisVersion(state.code))) return { kind: "audited" };
  const deployedBlock = Math.max(0, ...kept.map(({ state }) => state.record.deployed_block));
  return deployedBlock === 0 ? { kind: "nothing" } : { kind: "block", deployedBlock };
}

/** @throws UsageError where there is no such folder */
async function stateIn(folder: string): Promise<AuditState | null> {
  const found = await stat(folder).catch(() => null);
  if (!found) throw new UsageError(`there is no folder ${folder}`);
  if (!found.isDirectory()) throw new UsageError(`${folder} is a file, and a folder is needed`);
  return AuditState.load(folder);
}

/**
 * Whether the contracts of a book are this version's own: created by transactions that hold our creation code and name
 * each other, so that what they answer, first storage included, is what our code says. All else that is read of a chain
 * rests on it.
 */
import { keccak256 } from "ethers";
import {
  type BookContract,
  type Chain,
  type Creation,
  contractsDigest,
  contractsOf,
  creationFault,
  type DeploymentRecord,
  findCreations,
  isChainUnavailable,
  MOST_BLOCKS_BACK,
  termsOfCreation,
} from "#infra";
import { counted } from "#kernel";
import { Lie } from "./checks.ts";
import { differenceIn, type Node } from "./nodes.ts";

/** What was found good once, as an audit keeps it. */
export interface CheckedCode {
  /** Of the code that it was compared with. */
  readonly digest: string;
  /** How many nodes said so. */
  readonly nodes: number;
  /** For people. */
  readonly detail: string;
}

export interface CodeCheck {
  readonly code: CheckedCode;
  /** The chain cannot change it any more. */
  readonly isDeep: boolean;
}

/** As one node says. */
interface ToldCreation extends Creation {
  /** What is wrong with what the transaction left, as the end of a sentence; null where code is there. */
  readonly missing: string | null;
}

const ADVICE =
  "A book of another version of Anchorbook is audited by that version; of any other contract no answer can be believed";

/** Whether this version's code was what they were compared with. */
export function isOfThisVersion(code: CheckedCode | null): code is CheckedCode {
  return code?.digest === contractsDigest();
}

/**
 * What as many nodes found good, deep enough in the chain, is not looked for again.
 * @param known by an earlier audit
 */
export async function knownOrChecked(
  known: CheckedCode | null,
  nodes: readonly Node[],
  record: DeploymentRecord,
  depth: number,
): Promise<CodeCheck> {
  return isOfThisVersion(known) && known.nodes >= nodes.length
    ? { code: known, isDeep: true }
    : checkCode(nodes, record, depth);
}

/**
 * @param record as the registry says; `deployed_block` as somebody says
 * @param depth so many blocks deep the chain does not change any more
 * @throws Lie `code`, and `rpcs` where two nodes differ; Error where a node does not serve the blocks, or answers once so and
 * once otherwise
 */
export async function checkCode(
  nodes: readonly Node[],
  record: DeploymentRecord,
  depth: number,
): Promise<CodeCheck> {
  try {
    return await checkOnce(nodes, record, depth);
  } catch (error) {
    if (!(error instanceof Lie)) throw error;
    // What a node left out of one answer makes nobody a liar.
    const again = await checkOnce(nodes, record, depth).catch((failed: unknown) => failed);
    if (again instanceof Lie && again.message === error.message) throw error;
    throw new Error(
      `asked twice for what created the contracts, a node answered differently: ${error.message}`,
      {
        cause: error,
      },
    );
  }
}

async function checkOnce(
  nodes: readonly Node[],
  record: DeploymentRecord,
  depth: number,
): Promise<CodeCheck> {
  const contracts = contractsOf(record);
  const heads = await Promise.all(nodes.map(({ chain }) => chain.provider.getBlockNumber()));
  const told = await Promise.all(
    nodes.map(async (node) => ({
      node,
      creations: await creationsBy(node, contracts, record.deployed_block),
    })),
  );
  const found = told.flatMap(({ creations }) => [...creations.values()]);
  const newest = Math.max(record.deployed_block, ...found.map(({ block }) => block));
  const isDeep = newest + depth <= Math.min(...heads);
  for (const { name, address } of contracts) {
    const answers = told.map(({ node, creations }) => ({
      ...{ node, answer: shownCreation(creations.get(address)) },
    }));
    const difference = differenceIn(answers, `what created the ${name} at ${address}`, !isDeep);
    if (difference) throw difference;
  }
  const creations = told[0]?.creations ?? new Map<string, ToldCreation>();
  const missing = contracts.find(({ address }) => !creations.has(address));
  // While blocks are exchanged, a transaction may be in none of those that were read.
  if (missing && !isDeep) throw new Error(notFound(record, missing));
  if (missing) throw new Lie("code", {}, notFound(record, missing));
  const detail = checkedDetail(record, contracts, creations);
  return { code: { digest: contractsDigest(), nodes: nodes.length, detail }, isDeep };
}

async function creationsBy(
  { name, chain }: Node,
  contracts: readonly BookContract[],
  deployedBlock: number,
): Promise<ReadonlyMap<string, ToldCreation>> {
  try {
    const told = new Map<string, ToldCreation>();
    for (const [address, creation] of await findCreations(chain.rpc, contracts, deployedBlock))
      told.set(address, { ...creation, missing: await missingOf(chain, address, creation) });
    return told;
  } catch (error) {
    if (isChainUnavailable(error)) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(
      `${name} does not show what created the contracts (${why}): that takes a node that serves the blocks up to ${deployedBlock} with their transactions`,
      { cause: error },
    );
  }
}

/** Where somebody else made the chain's first block, code at the address shows that it succeeded. A receipt, where it is kept, does anywhere. */
async function missingOf(
  { rpc, provider }: Chain,
  address: string,
  { txHash }: Creation,
): Promise<string | null> {
  if ((await provider.getCode(address)) === "0x") return "left no code there";
  const receipt = (await rpc.call("eth_getTransactionReceipt", [txHash])) as {
    readonly status?: unknown;
  } | null;
  return receipt?.status === "0x0" ? "failed: what is there was there before" : null;
}

/** In words by which two nodes can be compared. */
function shownCreation(creation: ToldCreation | undefined): string {
  if (!creation) return "no transaction";
  const { block, txHash, input, missing } = creation;
  return `${txHash} of block ${block}, with data of the hash ${keccak256(input)}${missing === null ? "" : `, which ${missing}`}`;
}

/** @param creations of all contracts @throws Lie */
function checkedDetail(
  record: DeploymentRecord,
  contracts: readonly BookContract[],
  creations: ReadonlyMap<string, ToldCreation>,
): string {
  const made: Creation[] = [];
  for (const { name, address } of contracts) {
    const creation = creations.get(address) as ToldCreation;
    const { block, txHash, input } = creation;
    const fault = creation.missing ?? creationFault(name, input, record);
    if (fault !== null) {
      const what = `transaction ${txHash} of block ${block}, which created it, ${fault}`;
      throw new Lie("code", {}, `the ${name} at ${address} cannot be trusted: ${what}. ${ADVICE}`);
    }
    made.push(creation);
  }
  const [registry] = made;
  return `${counted(made.length, "contract")} created by this version's code in ${blocksText(made)}; ${termsText(registry as Creation)}`;
}

function notFound(
  { registry, deployed_block: block }: DeploymentRecord,
  { name, address }: BookContract,
): string {
  const where =
    address === registry.toLowerCase()
      ? `no transaction around block ${block}, in which it is said to have been deployed, created it`
      : `no transaction of the ${MOST_BLOCKS_BACK} blocks before the registry's created it`;
  return `the ${name} at ${address} cannot be trusted: ${where}. anchorbook deploy creates the contracts one after the other, and no contract by another one`;
}

function blocksText(made: readonly Creation[]): string {
  const blocks = made.map(({ block }) => block);
  const [first, last] = [Math.min(...blocks), Math.max(...blocks)];
  return first === last ? `block ${first}` : `blocks ${first} to ${last}`;
}

/** What a reader may want to compare with what the operator says; roles and attesters may have changed since. */
function termsText(registry: Creation): string {
  const { admin, committer, guardian, challengeWindow, minimumExit, attesters, threshold } =
    termsOfCreation(registry);
  const signers =
    attesters.length === 0 ? "no attesters" : `${threshold} of the attesters ${attesters.join(", ")}`;
  return `window ${challengeWindow} s, smallest exit ${minimumExit} base units; at first admin ${admin}, committer ${committer}, guardian ${guardian}, ${signers}`;
}

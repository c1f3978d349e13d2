/**
 * TypeScript against Solidity: random trees, made by `src/proof`, are committed to a
 * real chain, and the contracts must find in them what TypeScript says, and nothing
 * else. Seed, leaves a tree and rounds are fixed here; `scripts/long-differential.ts`
 * runs it longer, with others.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  Book,
  type Chain,
  type ChainNode,
  commitCalldata,
  connectChain,
  contractAt,
  type DeploymentRecord,
  deployContracts,
  finalizeCalldata,
  finalSectionOf,
  NO_HEADER,
} from "#infra";
import {
  type Header,
  type Hex,
  headerHash,
  type Leaf,
  leafDomain,
  leafHash,
  SECTIONS,
  type Section,
  SumTree,
  type TreeView,
  toHex,
} from "#proof";
import { type Anvil, startAnvil } from "../support/anvil.ts";
import { mined } from "../support/mined.ts";
import { createRandom } from "../support/random.ts";

const MOST_LEAVES = wholeNumber(process.env.DIFFERENTIAL_LEAVES, 500);
const ROUNDS = wholeNumber(process.env.DIFFERENTIAL_ROUNDS, 8);
const SEED = wholeNumber(process.env.DIFFERENTIAL_SEED, 20_260_101);
const PROOFS_A_TREE = 4;
/** Wherever the shape of a tree changes. Each section goes through them in order, one further than the section before it; then any size. */
const EDGES = [0, 1, 2, 3, 4, 5, 8, 9, 255, 256, 257]
  .filter((size) => size < MOST_LEAVES)
  .concat(MOST_LEAVES);

let anvil: Anvil;
let chain: Chain;
let record: DeploymentRecord;
let book: Book;
const { below } = createRandom(SEED);
const anyU32 = () => below(2 ** 32);

beforeAll(async () => {
  anvil = await startAnvil();
  chain = await connectChain({ rpcUrl: anvil.rpcUrl, privateKey: anvil.privateKeys[0] });
  record = await deployContracts(chain, { windowSeconds: 0, attesters: [] });
  book = new Book(chain, record);
});

afterAll(async () => {
  chain?.close();
  await anvil?.stop();
});

it(`agree on ${ROUNDS} epochs of trees of up to ${MOST_LEAVES} leaves (seed ${SEED})`, async () => {
  const trees = new Map(SECTIONS.map((section) => [section, new SumTree(domainOf(section))]));
  const leaves = new Map<Section, Leaf[]>(SECTIONS.map((section) => [section, []]));
  await sameDomains();
  let previous: Header = NO_HEADER;
  const sizes = new Set<number>();
  for (let round = 0; round < ROUNDS; round++) {
    const epoch = BigInt(round + 1);
    const views = new Map<Section, TreeView>();
    for (const [place, section] of SECTIONS.entries()) {
      const changed = change(leaves.get(section) ?? [], section, EDGES[round + place]);
      views.set(section, (trees.get(section) as SumTree).apply(epoch, changed));
    }
    const header = await nextHeader(previous, views);
    await send(commitCalldata(previous, header));
    expect(await book.headerHashOf(epoch)).toBe(headerHash(header));
    await send(finalizeCalldata(header));
    for (const section of SECTIONS) {
      await sameTree(header, section, views.get(section) as TreeView, leaves.get(section) ?? []);
      sizes.add(leaves.get(section)?.length ?? 0);
    }
    previous = header;
  }
  // By itself all of them: from no leaf and from one, which is its own root, to the most.
  expect([...sizes]).toEqual(expect.arrayContaining(EDGES.slice(0, ROUNDS + SECTIONS.length - 1)));
}, 600_000);

async function sameDomains(): Promise<void> {
  const registry = contractAt(chain, "SettlementRegistry", record.registry);
  for (const [number, section] of SECTIONS.entries())
    expect(await registry.getFunction("domainOf")(number)).toBe(domainOf(section));
}

async function sameTree(
  header: Header,
  section: Section,
  view: TreeView,
  leaves: readonly Leaf[],
): Promise<void> {
  const { root, sum, count } = view;
  expect(await book.finalSection(section)).toEqual(finalSectionOf({ root, sum, count }));
  // One leaf is its own root: here both sides show the bare hash of a leaf.
  if (leaves.length === 1) expect(root).toBe(leafHash(domainOf(section), leaves[0] as Leaf));
  for (let i = 0; i < Math.min(PROOFS_A_TREE, leaves.length); i++) {
    const leaf = leaves[i === 0 ? leaves.length - 1 : below(leaves.length)] as Leaf;
    const siblings = view.proof(leaf.index);
    expect(await book.verifyIn(header, section, leaf, siblings)).toBe(true);
    expect(await book.verify(section, leaf, siblings)).toBe(true);
    const [otherLeaf, otherSiblings] = spoil(leaf, siblings);
    expect(await book.verifyIn(header, section, otherLeaf, otherSiblings)).toBe(false);
    expect(await book.verify(section, otherLeaf, otherSiblings)).toBe(false);
  }
}

/** One member of the proof is not what it was. */
function spoil(leaf: Leaf, siblings: readonly ChainNode[]): [Leaf, ChainNode[]] {
  const place = below(siblings.length + 7);
  const nodes = siblings.map((node) => ({ hash: node.hash, sum: node.sum }));
  const node = nodes[place];
  if (node) {
    if (below(2) === 0) node.sum += 1n;
    else node.hash = word();
    return [leaf, nodes];
  }
  const spoiled = [
    { ...leaf, index: leaf.index + 1n },
    { ...leaf, owner: address() },
    { ...leaf, key: word() },
    { ...leaf, amount: leaf.amount + 1n },
    { ...leaf, validUntil: leaf.validUntil + 1n },
    { ...leaf, kind: (leaf.kind + 1) % 2 ** 32 },
    { ...leaf, quantity: (leaf.quantity + 1) % 2 ** 32 },
  ][place - siblings.length];
  return [spoiled as Leaf, nodes];
}

/** Grows a section to a size, if it is smaller, and changes some of its leaves; payouts only rise. */
function change(leaves: Leaf[], section: Section, size = below(MOST_LEAVES + 1)): Leaf[] {
  const changed = new Map<bigint, Leaf>();
  for (const leaf of leaves) {
    if (below(8) !== 0) continue;
    const amount = section === "payouts" ? leaf.amount + amountOf() : amountOf();
    changed.set(leaf.index, { ...newLeaf(leaf.index), key: leaf.key, amount });
  }
  for (let index = leaves.length; index < size; index++) changed.set(BigInt(index), newLeaf(BigInt(index)));
  for (const leaf of changed.values()) leaves[Number(leaf.index)] = leaf;
  return [...changed.values()];
}

function newLeaf(index: bigint): Leaf {
  return {
    index,
    owner: below(2) === 0 ? `0x${"00".repeat(20)}` : address(),
    key: word(),
    amount: amountOf(),
    validUntil: BigInt(anyU32()) * BigInt(below(2)),
    kind: anyU32(),
    quantity: anyU32(),
  };
}

/** Often 0 or odd, and so small that the supply covers every tree there is. */
function amountOf(): bigint {
  return below(4) === 0 ? 0n : BigInt(anyU32()) * BigInt(1 + below(1_000_000));
}

async function nextHeader(previous: Header, views: ReadonlyMap<Section, TreeView>): Promise<Header> {
  const block = await chain.provider.getBlock("latest");
  return {
    version: 1,
    chainId: chain.chainId,
    registry: record.registry.toLowerCase() as Hex,
    epoch: previous.epoch + 1n,
    previous: previous.epoch === 0n ? NO_HEADER.previous : headerHash(previous),
    sections: SECTIONS.map((section) => {
      const { root, sum, count } = views.get(section) as TreeView;
      return { root, sum, count };
    }),
    journalRoot: word(),
    journalSize: previous.journalSize + BigInt(below(1_000)),
    depositSeq: 0n,
    dataHash: word(),
    closedAt: BigInt(block?.timestamp ?? 0),
  };
}

function domainOf(section: Section): Hex {
  return leafDomain({
    chainId: BigInt(record.chain_id),
    custodian: record.custodians[section].toLowerCase() as Hex,
    token: record.token.toLowerCase() as Hex,
    section,
  });
}

async function send(data: string): Promise<void> {
  await mined(chain.signer?.sendTransaction({ to: record.registry, data }));
}

function word(): Hex {
  return toHex(Uint8Array.from({ length: 32 }, () => below(256)));
}

function address(): Hex {
  return toHex(Uint8Array.from({ length: 20 }, () => below(256)));
}

function wholeNumber(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^\d{1,9}$/.test(text)) throw new Error(`not a whole number: ${text}`);
  return Number(text);
}

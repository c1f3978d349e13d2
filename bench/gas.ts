/**
 * `gas.epoch`: what one epoch costs on the chain, commit and finalize, in steady
 * state, with more and more positions in it. The contracts are the real ones, on
 * a chain of the benchmark's own; roots and sums come from real trees. Each figure
 * is that of an epoch that changes one lock, so that tokens move between vault and
 * escrow; the epoch before it, which writes storage for the first time or fills
 * the tree, is not counted.
 */
import { join } from "node:path";
import { startAnvil } from "#devstack";
import {
  type Chain,
  commitCalldata,
  connectChain,
  deployContracts,
  finalizeCalldata,
  NO_HEADER,
} from "#infra";
import {
  type Header,
  headerHash,
  keccak256,
  type Leaf,
  leafDomain,
  SECTIONS,
  type Section,
  SumTree,
  toHex,
  ZERO_ADDRESS,
} from "#proof";
import { type BenchContext, type BenchResult, choose, resultOf } from "./benchmark.ts";

const POSITIONS = { full: [1, 1_000, 100_000], quick: [1, 10] } as const;
const UNIT = "gas";
const TST = 10n ** 18n;
const SUPPLY = 1_000_000n * TST;
const LOCKED = TST;

interface EpochGas {
  readonly commit: number;
  readonly finalize: number;
}

export async function benchGasEpoch(context: BenchContext): Promise<BenchResult[]> {
  const { stack } = context;
  const anvil = await startAnvil({
    folder: join(stack.folder, "gas-chain"),
    log: stack.serverLog,
    persistent: false,
  });
  stack.defer(() => anvil.stop());
  const chain = await connectChain({ rpcUrl: anvil.rpcUrl, privateKey: anvil.operatorPrivateKey });
  try {
    const book = await openBook(chain);
    const measured: [count: number, gas: EpochGas][] = [];
    for (const count of choose(context, POSITIONS)) {
      book.setLocks(count);
      await book.settle();
      book.changeOneLock();
      const gas = await book.settle();
      measured.push([count, gas]);
      context.log(`${count} positions: commit ${gas.commit} + finalize ${gas.finalize} gas`);
    }
    return toResults(context, measured);
  } finally {
    chain.close();
  }
}

function toResults(context: BenchContext, measured: readonly [number, EpochGas][]): BenchResult[] {
  const total = ({ commit, finalize }: EpochGas) => commit + finalize;
  const [most, gas] = measured.at(-1) ?? [0, { commit: 0, finalize: 0 }];
  const smaller = measured.slice(0, -1).map(([count, fewer]) => [`${count}-positions`, total(fewer)]);
  context.note({
    positions: most,
    tokens_moved: "vault to escrow",
    challenge_window_seconds: 0,
    attesters: 0,
  });
  return [
    resultOf("gas.epoch", total(gas), UNIT, Object.fromEntries(smaller)),
    resultOf("gas.epoch.commit", gas.commit, UNIT),
    resultOf("gas.epoch.finalize", gas.finalize, UNIT),
  ];
}

interface GasBook {
  setLocks(count: number): void;
  changeOneLock(): void;
  /** Commits and finalizes the next epoch. */
  settle(): Promise<EpochGas>;
}

async function openBook(chain: Chain): Promise<GasBook> {
  const record = await deployContracts(chain, { windowSeconds: 0, attesters: [] });
  const treeOf = (section: Section) =>
    new SumTree(
      leafDomain({
        chainId: chain.chainId,
        custodian: lower(record.custodians[section]),
        token: lower(record.token),
        section,
      }),
    );
  const trees = { balances: treeOf("balances"), locks: treeOf("locks") };
  let changed: Leaf[] = [];
  let previous: Header = NO_HEADER;

  const send = async (data: string) => {
    const sent = await chain.signer?.sendTransaction({ to: record.registry, data });
    const receipt = await sent?.wait();
    if (receipt?.status !== 1) throw new Error("a transaction of the benchmark was not accepted");
    return Number(receipt.gasUsed);
  };
  return {
    setLocks: (count) => {
      changed = Array.from({ length: count }, (_, index) => leafOf(index, LOCKED));
    },
    changeOneLock: () => {
      changed = [leafOf(0, LOCKED * 2n)];
    },
    async settle() {
      const epoch = previous.epoch + 1n;
      trees.locks.apply(epoch, changed);
      const owed = trees.locks.newest().sum;
      trees.balances.apply(epoch, [leafOf(0, SUPPLY - owed)]);
      const header = await nextHeader(chain, previous, trees, lower(record.registry));
      const commit = await send(commitCalldata(previous, header));
      const finalize = await send(finalizeCalldata(header));
      previous = header;
      return { commit, finalize };
    },
  };
}

async function nextHeader(
  chain: Chain,
  previous: Header,
  trees: Readonly<Partial<Record<Section, SumTree>>>,
  registry: Header["registry"],
): Promise<Header> {
  const block = await chain.provider.getBlock("latest");
  const epoch = previous.epoch + 1n;
  const digest = toHex(keccak256(new TextEncoder().encode(`${epoch}`)));
  const empty = { root: NO_HEADER.previous, sum: 0n, count: 0n };
  return {
    version: 1,
    chainId: chain.chainId,
    registry,
    epoch,
    previous: previous.epoch === 0n ? NO_HEADER.previous : headerHash(previous),
    sections: SECTIONS.map((section) => {
      const view = trees[section]?.newest();
      return view ? { root: view.root, sum: view.sum, count: BigInt(view.count) } : empty;
    }),
    journalRoot: digest,
    journalSize: previous.journalSize + 1n,
    depositSeq: 0n,
    dataHash: digest,
    closedAt: BigInt(block?.timestamp ?? 0),
  };
}

function leafOf(index: number, amount: bigint): Leaf {
  const key = toHex(keccak256(new TextEncoder().encode(`position ${index}`)));
  return { index: BigInt(index), owner: ZERO_ADDRESS, key, amount, validUntil: 0n, kind: 1, quantity: 0 };
}

function lower(address: string): Header["registry"] {
  return address.toLowerCase() as Header["registry"];
}

/**
 * What an epoch costs on-chain, commit and finalize together, in whole mined
 * transactions of a real chain: with 1, 1,000 and 100,000 positions in each
 * section, whose sums have changed, so that all three custodians' tokens move. In
 * steady state: every slot of the rings of registry and vault was used before.
 *
 * The baseline does without epochs: one token transfer on-chain for every lock,
 * stake and reservation that changed, to accounts that hold the token already.
 */
import { join } from "node:path";
import { toBeHex } from "ethers";
import { startAnvil } from "#devstack";
import {
  type Chain,
  commitCalldata,
  connectChain,
  contractArtifact,
  type DeploymentRecord,
  deployContracts,
  finalizeCalldata,
  finalSectionOf,
  minedReceipt,
  NO_HEADER,
  sendTransaction,
} from "#infra";
import {
  type Header,
  type HeaderSection,
  headerHash,
  headerSection,
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

const UNIT = "gas";
const SIZES = {
  full: [
    { positions: 1, name: "gas.epoch.one" },
    { positions: 1_000, name: "gas.epoch.thousand" },
    { positions: 100_000, name: "gas.epoch" },
  ],
  quick: [{ positions: 1_000, name: "gas.epoch" }],
} as const;
/** The rings stand near the beginning, and few of their slots are used. */
const MOST_SLOTS = 64;
/** Header hash, time of the commit. */
const WORDS_A_SLOT = 2;
/** Of a final section's word. */
const COUNT_BYTES = 4;
const GAS_LIMIT = 1_000_000n;
/** 0.001 TST: 100,000 positions of a few pieces in five sections stay far below the supply. */
const PIECE = 10n ** 15n;
/** Sections whose tokens have a custodian of their own. */
const NETTED_SECTIONS = 3;
const DIGEST = toHex(keccak256(new Uint8Array()));

/** `gas.epoch` at 100,000 positions a section; `gas.epoch.thousand` and `gas.epoch.one` beside it. */
export async function benchGasEpoch(context: BenchContext): Promise<BenchResult[]> {
  const chain = await startChain(context);
  const record = await deployContracts(chain, { windowSeconds: 0, attesters: [] });
  const epochs = new EpochSender(chain, record);
  await epochs.warmUp();
  const sizes = choose(context, SIZES);
  await epochs.useRingSlots(sizes.length);
  const transfer = await transferGas(chain, record);
  context.note({ transfer });

  const results: BenchResult[] = [];
  for (const { positions, name } of sizes) {
    const { commit, finalize } = await epochs.measure(positions);
    context.log(`${positions} positions a section: commit ${commit}, finalize ${finalize}`);
    context.note({ [`commit_${positions}`]: commit, [`finalize_${positions}`]: finalize });
    const each = transfer * positions * NETTED_SECTIONS;
    results.push(resultOf(name, commit + finalize, UNIT, { "transfer-each": each }));
  }
  return results.toReversed();
}

async function startChain({ stack }: BenchContext): Promise<Chain> {
  const anvil = await startAnvil({
    folder: join(stack.folder, "gas-chain"),
    log: stack.serverLog,
    persistent: false,
  });
  stack.defer(() => anvil.stop());
  const chain = await connectChain({ rpcUrl: anvil.rpcUrl, privateKey: anvil.operatorPrivateKey });
  stack.defer(() => chain.close());
  return chain;
}

class EpochSender {
  readonly #chain: Chain;
  readonly #record: DeploymentRecord;
  readonly #closedAt = BigInt(Math.floor(Date.now() / 1_000));
  #last: Header = NO_HEADER;

  constructor(chain: Chain, record: DeploymentRecord) {
    this.#chain = chain;
    this.#record = record;
  }

  /** Small epochs whose sums swing, so that custodians and sections are in use as they will be. */
  async warmUp(): Promise<void> {
    for (const pieces of [1n, 2n, 1n]) await this.#commitAndFinalize(this.#sections(1, pieces));
  }

  /**
   * Makes the slots of the coming epochs used ones, as after a whole turn of the rings, by writing to the chain's
   * storage: two thousand transactions would leave the same behind. Where a ring lies is found by what the last epoch left.
   */
  async useRingSlots(epochs: number): Promise<void> {
    const { registry, custodians } = this.#record;
    await this.#useSlots(registry, headerHash(this.#last), WORDS_A_SLOT, epochs);
    const { fingerprint, count } = finalSectionOf(headerSection(this.#last, "payouts"));
    const payouts = `${fingerprint}${toBeHex(count, COUNT_BYTES).slice(2)}`;
    await this.#useSlots(custodians.payouts, payouts, 1, epochs);
  }

  async #useSlots(contract: string, newest: string, words: number, epochs: number): Promise<void> {
    const { provider } = this.#chain;
    // From the end: epochs that were alike left the same.
    let slot = MOST_SLOTS;
    while ((await provider.getStorage(contract, slot)) !== newest) {
      slot -= 1;
      if (slot < 0) throw new Error(`the storage of ${contract} does not hold what the last epoch left`);
    }
    for (let word = slot + words; word < slot + words * (epochs + 1); word++)
      await provider.send("anvil_setStorageAt", [contract, toBeHex(word, 32), DIGEST]);
  }

  measure(positions: number): Promise<{ commit: number; finalize: number }> {
    return this.#commitAndFinalize(this.#sections(positions, 3n));
  }

  async #commitAndFinalize(
    sections: readonly HeaderSection[],
  ): Promise<{ commit: number; finalize: number }> {
    const header = this.#next(sections);
    const commit = await this.#send(commitCalldata(this.#last, header));
    const finalize = await this.#send(finalizeCalldata(header));
    this.#last = header;
    return { commit, finalize };
  }

  /** Real trees with so many leaves in each section. Payouts are cumulative, so theirs only grow. */
  #sections(positions: number, pieces: bigint): HeaderSection[] {
    return SECTIONS.map((section) => {
      const tree = new SumTree(this.#domain(section));
      const amount = section === "payouts" ? PIECE : pieces * PIECE;
      const { root, sum, count } = tree.apply(1n, leavesOf(positions, amount));
      return { root, sum, count };
    });
  }

  #domain(section: Section) {
    return leafDomain({
      chainId: this.#chain.chainId,
      custodian: lower(this.#record.custodians[section]),
      token: lower(this.#record.token),
      section,
    });
  }

  #next(sections: readonly HeaderSection[]): Header {
    return {
      version: 1,
      chainId: this.#chain.chainId,
      registry: lower(this.#record.registry),
      epoch: this.#last.epoch + 1n,
      previous: this.#last.epoch === 0n ? NO_HEADER.previous : headerHash(this.#last),
      sections,
      journalRoot: DIGEST,
      journalSize: this.#last.journalSize + 1_000n,
      depositSeq: 0n,
      dataHash: DIGEST,
      closedAt: this.#closedAt,
    };
  }

  /** Gas used by the mined transaction. */
  async #send(data: string): Promise<number> {
    const { signer } = this.#chain;
    if (!signer) throw new Error("nobody sends");
    const { gasUsed } = await sendTransaction(signer, {
      ...{ to: this.#record.registry, data, gasLimit: GAS_LIMIT },
    });
    return Number(gasUsed);
  }
}

function leavesOf(count: number, amount: bigint): Leaf[] {
  const name = new DataView(new ArrayBuffer(4));
  return Array.from({ length: count }, (_, index) => {
    name.setUint32(0, index);
    const key = toHex(keccak256(new Uint8Array(name.buffer)));
    return { index: BigInt(index), owner: ZERO_ADDRESS, key, amount, validUntil: 0n, kind: 1, quantity: 0 };
  });
}

/** A custodian's transfer to an account that holds the token already. */
async function transferGas({ provider }: Chain, record: DeploymentRecord): Promise<number> {
  const vault = record.custodians.balances;
  await provider.send("anvil_impersonateAccount", [vault]);
  await provider.send("anvil_setBalance", [vault, "0xde0b6b3a7640000"]);
  const data = contractArtifact("TST").abi.encodeFunctionData("transfer", [`0x${"a1".repeat(20)}`, PIECE]);
  let used = 0;
  for (const _time of ["first", "repeated"]) {
    const hash: string = await provider.send("eth_sendTransaction", [
      { from: vault, to: record.token, data },
    ]);
    used = Number((await minedReceipt({ provider, hash })).gasUsed);
  }
  return used;
}

function lower(address: string): `0x${string}` {
  return address.toLowerCase() as `0x${string}`;
}

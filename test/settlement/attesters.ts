/** Accounts around a book with a window: attesters who sign, a guardian and an admin who act; and the chain's time. */
import { Wallet } from "ethers";
import { ATTEST_TYPES, attestDomain, type DeploymentRecord, type DeployOptions } from "#infra";
import { mined } from "../support/mined.ts";
import type { World } from "./world.ts";

export interface Parties {
  /** By address, ascending. */
  readonly attesters: readonly Wallet[];
  readonly guardian: Wallet;
  readonly admin: Wallet;
  /** What the contracts are deployed with. */
  readonly deploy: Partial<DeployOptions>;
}

export function createParties(options: {
  windowSeconds: number;
  attesters: number;
  threshold: number;
}): Parties {
  const wallet = () => new Wallet(Wallet.createRandom().privateKey);
  const attesters = Array.from({ length: options.attesters }, wallet).sort((left, right) =>
    left.address.toLowerCase() < right.address.toLowerCase() ? -1 : 1,
  );
  const [guardian, admin] = [wallet(), wallet()];
  return {
    ...{ attesters, guardian, admin },
    deploy: {
      ...{ windowSeconds: options.windowSeconds, threshold: options.threshold },
      attesters: attesters.map(({ address }) => address),
      ...{ guardian: guardian.address, admin: admin.address },
    },
  };
}

export function signHeader(attester: Wallet, record: DeploymentRecord, headerHash: string): Promise<string> {
  const domain = attestDomain({ chainId: record.chain_id, registry: record.registry });
  return attester.signTypedData(domain, ATTEST_TYPES, { headerHash });
}

/** Has an epoch signed by some attesters, and handed in. */
export async function attest(world: World, epoch: number, attesters: readonly Wallet[]): Promise<void> {
  const view = await world.settlement.epoch(epoch);
  if (!view) throw new Error(`there is no epoch ${epoch}`);
  for (const attester of attesters)
    await world.settlement.attest(epoch, await signHeader(attester, world.record, view.headerHash));
}

/** Lets a block be mined so much later. */
export async function passTime(world: World, seconds: number): Promise<void> {
  await world.chain.provider.send("evm_increaseTime", [seconds]);
  await world.chain.provider.send("evm_mine", []);
}

/** Sends as one of the parties, who has no ether but what is given here. */
export async function sendAs(world: World, party: Wallet, to: string, data: string): Promise<void> {
  const { provider } = world.chain;
  await provider.send("anvil_setBalance", [party.address, "0x8ac7230489e80000"]);
  await mined(party.connect(provider).sendTransaction({ to, data }));
}

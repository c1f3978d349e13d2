/** Attesters of a book with a window, each with a folder and a key of its own, and their commands. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Wallet } from "ethers";
import { Book } from "#infra";
import type { Parties } from "./attesters.ts";
import { type AuditWorld, cli, createAuditWorld } from "./audit-world.ts";
import { createWatchWorld, type WatchWorld } from "./watch-world.ts";
import { TST } from "./world.ts";

export interface AttestAnswer {
  valid: boolean;
  checks: { name: string; ok: boolean; detail: string }[];
  signed: { epoch: string; header_hash: string; again: boolean }[];
  refused: string[];
  stopped: string | null;
  finalized: { epoch: string; tx_hash: string }[];
  not_final: {
    epoch: string;
    window_until: string;
    is_window_open: boolean;
    attestations: { given: number; needed: number };
  } | null;
}

export interface AttestWorld {
  readonly world: AuditWorld;
  readonly watched: WatchWorld;
  readonly contracts: Book;
  /** Of each attester its own. */
  stateOf(attester: Wallet): string;
  /** The options that an attester's command needs, but the server. */
  ofAttester(attester: Wallet): string[];
  /** `anchorbook attest --json`, and its last answer. */
  attest(
    attester: Wallet,
    ...args: string[]
  ): Promise<AttestAnswer & { code: number; out: string; err: string }>;
  /** @returns the number of a new epoch */
  settleMore(): Promise<number>;
  close(): Promise<void>;
}

export async function createAttestWorld(parties: Parties): Promise<AttestWorld> {
  const watched = await createWatchWorld(undefined, {}, parties.deploy);
  const world = await createAuditWorld(async () => watched);
  const states = new Map<Wallet, string>();
  const stateOf = (attester: Wallet) => {
    const state = states.get(attester) ?? world.freshFolder();
    if (!states.has(attester)) writeFileSync(join(state, "key"), attester.privateKey);
    states.set(attester, state);
    return state;
  };
  const ofAttester = (attester: Wallet) => [
    ...["--state", stateOf(attester), "--key-file", join(stateOf(attester), "key")],
    ...["--rpc", world.anvil.rpcUrl, "--registry", world.record.registry],
  ];
  return {
    ...{ world, watched, contracts: new Book(world.chain, world.record), stateOf, ofAttester },
    async attest(attester, ...args) {
      const given = args.includes("--api") ? [] : ["--api", world.api.url];
      const { code, out, err } = await cli("attest", "--json", ...given, ...args, ...ofAttester(attester));
      const none = {
        ...{ valid: false, stopped: null, checks: [], signed: [], refused: [] },
        ...{ finalized: [], not_final: null },
      };
      const last = out.trimEnd().split("\n").at(-1) ?? "";
      return { code, out, err, ...(last === "" ? none : (JSON.parse(last) as AttestAnswer)) };
    },
    async settleMore() {
      await world.grant("user_a", TST);
      const { epoch } = await world.settlement.run();
      if (!epoch) throw new Error("nothing was settled");
      return epoch.epoch;
    },
    close: () => world.close(),
  };
}

/** Of what was handed in. */
export const epochsOf = ({ signed }: AttestAnswer) => signed.map(({ epoch }) => Number(epoch));

export async function until(holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 60_000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error("it did not come to that");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

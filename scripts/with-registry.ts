/**
 * What the lines of docs/objecting.md stand on: the registry that the environment names, a transaction of KEY_FILE's account,
 * and errors in one line. They go to standard error, and the exit code is 1.
 */
import { readFileSync } from "node:fs";
import { type Contract, isError, Wallet } from "ethers";
import { type Chain, connectChain, contractAt, contractRefusal, sendTransaction } from "#infra";
import { isAddress } from "#proof";
import { explainError } from "../src/cli/explain-error.ts";
import { isPrivateKey } from "../src/cli/private-key.ts";

export interface Registry {
  readonly chain: Chain;
  readonly registry: Contract;
  /** Tried by a call first, which costs nothing and says why the registry refuses. @returns once it is mined */
  send(method: string, ...values: readonly unknown[]): Promise<{ hash: string; blockNumber: number }>;
}

const PROOF_FILE = "a proof file, as anchorbook proof SECTION ID --epoch N --out FILE writes it";

const RULES = {
  RPC_URL: [(text: string) => /^https?:\/\//.test(text) && URL.canParse(text), "an http(s) URL"],
  REGISTRY: [isAddress, "an address: 0x and 40 hex digits with a right checksum, if any"],
  EPOCH: [(text: string) => /^[1-9]\d{0,14}$/.test(text), "the number of an epoch"],
  HEADER_HASH: [(text: string) => /^0x[0-9a-fA-F]{64}$/.test(text), "a whole hash: 0x and 64 hex digits"],
  KEY_FILE: [
    () => true,
    "a file with the private key of the account that sends the transaction: 0x and 64 hex digits",
  ],
  EARLIER: [() => true, `${PROOF_FILE}, of the older of the two epochs`],
  LATER: [() => true, `${PROOF_FILE}, of the epoch that is to be dropped`],
} as const;

/** Of the environment. @throws Error where it is not set, or something else than it should be */
export function setting(name: keyof typeof RULES): string {
  const value = process.env[name] ?? "";
  const [isRight, what] = RULES[name];
  if (value === "") throw new Error(`${name} is not set: ${what}`);
  if (!isRight(value)) throw new Error(`${name} must be ${what}`);
  return value;
}

/** A proof file has its members in the order of the contracts. @throws Error where it is none */
export function proofFile(name: "EARLIER" | "LATER") {
  const path = setting(name);
  const text = readFileSync(path, "utf8");
  try {
    const proof = JSON.parse(text);
    if (proof.format === "anchorbook-proof/1") return proof;
  } catch {
    // Said below.
  }
  throw new Error(`${path} is no proof of a position: anchorbook verify ${path} says what it is`);
}

/** Connects to the registry, does the work, and ends. */
export function withRegistry(work: (parts: Registry) => Promise<void>): void {
  connected(work).catch((error: unknown) => {
    const refusal = contractRefusal(error);
    console.error(refusal ? `refused: ${refusal.name}` : explainError(error));
    process.exitCode = 1;
  });
}

async function connected(work: (parts: Registry) => Promise<void>): Promise<void> {
  const [rpcUrl, address] = [setting("RPC_URL"), setting("REGISTRY")];
  const chain = await connectChain({ rpcUrl });
  try {
    if ((await chain.provider.getCode(address)) === "0x")
      throw new Error(`there is no contract at ${address} on chain ${chain.chainId}`);
    const registry = contractAt(chain, "SettlementRegistry", address);
    await registry
      .getFunction("lastCommitted")()
      .catch((error: unknown) => {
        if (!isError(error, "CALL_EXCEPTION") && !isError(error, "BAD_DATA")) throw error;
        throw new Error(`what stands at ${address} on chain ${chain.chainId} is no registry`, {
          cause: error,
        });
      });
    await work({
      ...{ chain, registry },
      async send(method, ...values) {
        const sender = new Wallet(readKey(), chain.provider);
        const call = registry.connect(sender).getFunction(method);
        await call.staticCall(...values);
        const { data } = await call.populateTransaction(...values);
        const { hash, blockNumber } = await sendTransaction(sender, { to: address, data });
        return { hash, blockNumber };
      },
    });
  } finally {
    chain.close();
  }
}

function readKey(): string {
  const path = setting("KEY_FILE");
  const key = readFileSync(path, "utf8").trim();
  if (!isPrivateKey(key)) throw new Error(`${path} holds no private key: 0x and 64 hex digits`);
  return key;
}

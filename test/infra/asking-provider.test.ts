/** A node that cannot carry out a call for a moment is asked again; a contract that refuses is not. */
import { isError } from "ethers";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import {
  type Chain,
  connectChain,
  contractArtifact,
  contractAt,
  contractRefusal,
  type DeploymentRecord,
  deployContracts,
} from "#infra";
import { explainError } from "../../src/cli/explain-error.ts";
import { type MoodyNode, startMoodyNode } from "../settlement/moody-node.ts";
import { type Anvil, startAnvil } from "../support/anvil.ts";

/** What anvil says where it mined a block since it read which one is the newest. */
const LEFT_BEHIND = {
  code: -32_602,
  message: "BlockOutOfRangeError: block height is 15 but requested was 14",
};

let anvil: Anvil;
let moody: MoodyNode;
let chain: Chain;
let record: DeploymentRecord;

beforeAll(async () => {
  anvil = await startAnvil();
  moody = await startMoodyNode(anvil.rpcUrl);
  chain = await connectChain({ rpcUrl: moody.url, privateKey: anvil.privateKeys[0] });
  record = await deployContracts(chain, { windowSeconds: 0, attesters: [] });
});
beforeEach(() => moody.be(null));
afterAll(async () => {
  chain?.close();
  await moody?.close();
  await anvil?.stop();
});

const token = () => contractAt(chain, "TST", record.token);
const asked = (method: string) => moody.asked.filter((request) => request.method === method).length;

/** Cannot carry out this method so many times. */
function failing(method: string, times: number): void {
  let left = times;
  moody.be(async (request, answer) =>
    request.method === method && left-- > 0 ? { error: LEFT_BEHIND } : { result: await answer() },
  );
}

it("reads a contract behind a node that fails twice", async () => {
  failing("eth_call", 2);
  expect(await token().getFunction("symbol")()).toBe("TST");
  expect(asked("eth_call")).toBe(3);
});

it("estimates gas behind a node that fails once", async () => {
  failing("eth_estimateGas", 1);
  const gas = await chain.provider.estimateGas({ to: record.token, data: "0x95d89b41" });
  expect(gas).toBeGreaterThan(21_000n);
});

it("gives up some time, with the node's words", async () => {
  failing("eth_call", Number.POSITIVE_INFINITY);
  const refused: unknown = await token()
    .getFunction("symbol")()
    .catch((error: unknown) => error);
  expect(explainError(refused)).toBe(`the node did not carry out a call: ${LEFT_BEHIND.message}`);
  expect(contractRefusal(refused)).toBeNull();
});

it("asks a contract that refuses once, with a reason or without", async () => {
  moody.be(null);
  const registry = contractAt(chain, "SettlementRegistry", record.registry);
  const refused: unknown = await registry
    .getFunction("custodianOf")(99)
    .catch((error: unknown) => error);
  expect(isError(refused, "CALL_EXCEPTION")).toBe(true);
  expect(asked("eth_call")).toBe(1);
  // An invalid instruction, without a word.
  const invalid = "0x00000000000000000000000000000000000000ff";
  await chain.provider.send("anvil_setCode", [invalid, "0xfe"]);
  moody.be(null);
  await expect(chain.provider.call({ to: invalid })).rejects.toThrow();
  expect(asked("eth_call")).toBe(1);
});

const word = (value: string, isText = false) => (isText ? value.padEnd(64, "0") : value.padStart(64, "0"));
const { selector: WRONG_EPOCH = "" } =
  contractArtifact("SettlementRegistry").abi.getError("WrongEpoch") ?? {};
/** Of `Error(string)`. */
const PLAIN_WORDS = "0x08c379a0";

it.each([
  ["with all of them", WRONG_EPOCH, word("2") + word("1"), "WrongEpoch", [2n, 1n]],
  ["with a part of them", WRONG_EPOCH, `${word("2")}00`, "WrongEpoch", []],
  ["without any", WRONG_EPOCH, "", "WrongEpoch", []],
  ["in plain words", PLAIN_WORDS, word("20") + word("2") + word("6e6f", true), "Error", ["no"]],
  ["in plain words that are no text", PLAIN_WORDS, word("20") + word("2") + word("ff00", true), "Error", []],
])("names what a contract refuses by its error and arguments, %s", async (_, error, rest, name, args) => {
  const reverted = { code: 3, message: "execution reverted", data: error + rest };
  moody.be(async ({ method }, answer) =>
    method === "eth_call" ? { error: reverted } : { result: await answer() },
  );
  const refused: unknown = await token()
    .getFunction("symbol")()
    .catch((failed: unknown) => failed);
  expect(contractRefusal(refused)).toEqual({ name, args });
});

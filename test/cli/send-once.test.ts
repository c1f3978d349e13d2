/** What a command sends once: not again because it failed, and not at all where it is done. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Chain, connectChain } from "#infra";
import { sendOnce } from "../../src/cli/send-once.ts";
import { type Anvil, startAnvil } from "../support/anvil.ts";

/** Whose code is an invalid instruction. */
const INVALID = "0x00000000000000000000000000000000000000ff";

let anvil: Anvil;
let chain: Chain;

beforeAll(async () => {
  anvil = await startAnvil();
  chain = await connectChain({ rpcUrl: anvil.rpcUrl, privateKey: anvil.privateKeys[0] });
});

afterAll(async () => {
  chain?.close();
  await anvil?.stop();
});

const signer = () => {
  if (!chain.signer) throw new Error("no signer");
  return chain.signer;
};
const options = (done: boolean) => ({ isDone: async () => done, onWait: () => {} });

it("pays once for a transaction that is mined and fails", async () => {
  const before = await signer().getNonce("latest");
  await chain.provider.send("anvil_setCode", [INVALID, "0xfe"]);
  // With gas of its own nobody tries it before.
  const failing = { to: INVALID, data: "0x", gasLimit: 100_000n };
  await expect(sendOnce(signer(), failing, options(false))).rejects.toThrow(/was mined, and failed$/);
  expect(await signer().getNonce("latest")).toBe(before + 1);
});

it("sends nothing where it is done", async () => {
  const before = await signer().getNonce("latest");
  expect(await sendOnce(signer(), { to: signer().address, data: "0x" }, options(true))).toBeNull();
  expect(await signer().getNonce("latest")).toBe(before);
});

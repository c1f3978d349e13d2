import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Chain, connectChain, silentLog } from "#infra";
import { advanceClocks, createChainClock } from "../src/test-clock.ts";
import { type Anvil, startAnvil } from "./support/anvil.ts";

const DAY = 86_400;
let anvil: Anvil;
let chain: Chain;

beforeAll(async () => {
  // As the embedded one.
  anvil = await startAnvil(["--block-time", "12", "--mixed-mining"]);
  chain = await connectChain({ rpcUrl: anvil.rpcUrl });
});
afterAll(async () => {
  chain?.close();
  await anvil?.stop();
});

async function timeOf(block: "latest" | "pending"): Promise<number> {
  return (await chain.provider.getBlock(block))?.timestamp ?? 0;
}

describe("the chain's clock", () => {
  it("is moved once by callers who come at once, also by those of another process", async () => {
    const target = (await timeOf("latest")) + 30 * DAY;
    const [here, elsewhere] = [createChainClock(chain), createChainClock(chain)];
    await Promise.all([here, here, elsewhere, here, elsewhere].map((clock) => clock.bringTo(target)));
    expect(await timeOf("latest")).toBeGreaterThanOrEqual(target);
    expect(await timeOf("pending")).toBeLessThan(target + DAY);
  });

  it("goes on from there, and is never taken back", async () => {
    const before = await timeOf("latest");
    await createChainClock(chain).bringTo(before - 10 * DAY);
    await chain.provider.send("evm_mine", []);
    expect(await timeOf("latest")).toBeGreaterThanOrEqual(before);
    expect(await timeOf("pending")).toBeLessThan(before + DAY);
  });

  it("holds nobody up who moves the ledger's while the chain is down", async () => {
    const gone = await startAnvil();
    const away = await connectChain({ rpcUrl: gone.rpcUrl, requestTimeoutMs: 2_000 });
    await gone.stop();
    let now = 1_900_000_000;
    const chainClock = createChainClock(away);
    const parts = { chainClock, log: silentLog(), ledgerNow: async () => now };
    const advanceLedger = async () => {
      now += DAY;
    };
    expect(await advanceClocks({ ...parts, advanceLedger })).toBe(1_900_000_000 + DAY);
    await expect(chainClock.bringTo(now)).rejects.toThrow();
    away.close();
  });
});

/** What anybody may ask about what came from the chain, over HTTP. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chainRoutes } from "#api";
import { noSettlement } from "#settlement";
import { startApi, type TestApi } from "../support/api-app.ts";
import { mined } from "../support/mined.ts";
import { createWatchWorld, type Person, TOKENS, type WatchWorld } from "./watch-world.ts";

let world: WatchWorld;
let anna: Person;
let api: TestApi;

beforeAll(async () => {
  world = await createWatchWorld();
  anna = await world.person("anna");
  await world.withTokens(anna, 50n * TOKENS);
  for (let amount = 1n; amount <= 5n; amount++)
    await mined(world.vault(anna).getFunction("deposit")(amount * TOKENS));
  await world.settlement.run();
  await world.demandExit(anna, "balances", world.position("balances", "anna"));
  await world.watcher.look();
  api = await startApi(chainRoutes({ settlement: world.settlement }));
});
afterAll(async () => {
  await api?.close();
  await world?.close();
});

interface Answer {
  readonly chain: Readonly<Record<string, unknown>>;
  readonly data: readonly {
    readonly [member: string]: unknown;
    readonly block: number;
    readonly log_index: number;
  }[];
  readonly next_cursor: string | null;
  readonly details?: unknown;
}

const get = async (path: string, status = 200) => {
  const response = await fetch(`${api.url}/api/v1/settlement/${path}`);
  expect(response.status).toBe(status);
  // The server checks each answer against its schema.
  return JSON.parse(await response.text()) as Answer;
};
const all = async (path: string) => {
  const found: Answer["data"][number][] = [];
  for (let cursor = ""; ; ) {
    const page = await get(`${path}${path.includes("?") ? "&" : "?"}limit=2${cursor}`);
    expect(page.data.length).toBeLessThanOrEqual(2);
    found.push(...page.data);
    if (page.next_cursor === null) return found;
    cursor = `&cursor=${page.next_cursor}`;
  }
};

describe("what came from the chain", () => {
  it("is told how far it is known", async () => {
    const { chain } = await get("chain");
    expect(chain).toMatchObject({
      events_waiting: 0,
      events_lost: 0,
      last_entry: 5,
      open_demands: 1,
      frozen: false,
    });
    expect(chain.seen_block).toBe(await world.chain.provider.getBlockNumber());
  });

  it("is listed page by page, entries newest first", async () => {
    const entries = await all("entries");
    expect(entries.map(({ entry, amount, status }) => [entry, amount, status])).toEqual(
      [5, 4, 3, 2, 1].map((number) => [number, `${number}`, "credited"]),
    );
    expect(await all(`entries?wallet=${anna.wallet.address}`)).toEqual(entries);
    expect(await all(`entries?wallet=0x${"11".repeat(20)}`)).toEqual([]);
    expect(JSON.stringify(entries)).not.toContain("anna");
  });

  it("is listed event by event, oldest first, in the chain's order", async () => {
    const events = await all("events");
    const order = events.map(({ block, log_index }) => block * 1_000 + log_index);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    const made = await all("events?event=EntryMade");
    expect(made).toEqual(events.filter(({ event }) => event === "EntryMade"));
    expect(made[0]).toMatchObject({
      ...{
        status: "final",
        seq: expect.any(Number),
        args: { seq: "1", depositor: anna.wallet.address, ref: "" },
      },
    });
    // Who asks for what there is not is told so, with what there is.
    for (const name of ["made", "EntryMad", "Transfer"]) {
      const { details } = await get(`events?event=${name}`, 400);
      expect(details).toEqual([
        { member: "event", reason: expect.stringMatching(/: .*EntryMade, .*WalletCancelled$/) },
      ]);
    }
  });

  it("is listed demand by demand, with where each stands", async () => {
    const [demand] = await all("demands?open=true");
    expect(demand).toMatchObject({
      section: "balances",
      wallet: anna.wallet.address,
      amount: "15",
      status: "due",
      swept: "0",
    });
    expect(await all("demands?open=false")).toEqual([]);
    await world.settlement.run();
    expect((await all("demands"))[0]).toMatchObject({ status: "swept", swept: "15", served_at: null });
  });

  it("is nothing in a ledger without contracts", async () => {
    const bare = await startApi(chainRoutes({ settlement: noSettlement() }));
    for (const [path, answer] of [
      ["chain", { chain: null }],
      ["entries", { data: [], next_cursor: null }],
    ] as const)
      expect(await (await fetch(`${bare.url}/api/v1/settlement/${path}`)).json()).toEqual(answer);
    await bare.close();
  });
});

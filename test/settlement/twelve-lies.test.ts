/**
 * A lying operator in twelve ways. Who lies is the operator's key on a real chain
 * (a book whose headers, leaves or lines are forged and committed all the same),
 * the operator's server (what it serves is not what it committed), or the node
 * that the auditor asks. Each lie is caught with its place and in its own words.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  Book,
  type Chain,
  connectChain,
  contractArtifact,
  contractAt,
  contractRefusal,
  deployContracts,
} from "#infra";
import { formatVerifierKey, type Header, type Leaf, LogFrontier, type Section, ZERO_WORD } from "#proof";
import { type Anvil, startAnvil } from "../support/anvil.ts";
import { type LyingProxy, startLyingApi, startLyingNode } from "../support/lying-proxy.ts";
import { mined } from "../support/mined.ts";
import { witnessKey } from "../support/tlog-witness.ts";
import { setBalance } from "../support/written-book/bulk-deposits.ts";
import { serveBook } from "../support/written-book/serve-book.ts";
import { type Forgery, WrittenBook } from "../support/written-book/written-book.ts";
import { type AuditAnswer, cli } from "./audit-world.ts";

const LINES = 60;
const USERS = 8;

interface Stand {
  readonly anvil: Anvil;
  readonly chain: Chain;
}

let stand: Stand;
const ends: (() => unknown)[] = [];

async function openStand(): Promise<Stand> {
  const anvil = await startAnvil();
  ends.push(() => anvil.stop());
  const chain = await connectChain({ rpcUrl: anvil.rpcUrl, privateKey: anvil.privateKeys[0] });
  ends.push(() => chain.close());
  return { anvil, chain };
}

beforeAll(async () => {
  stand = await openStand();
});
afterAll(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

interface Operator {
  readonly book: WrittenBook;
  readonly api: string;
  readonly rpc: string;
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "anchorbook-lies-"));
  ends.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** An operator with a book of its own; `forgeries` says of which epochs what is forged. */
async function operator(
  forgeries: readonly Forgery[],
  { on = stand, seed = 1, cosign }: { on?: Stand; seed?: number; cosign?: (note: string) => string } = {},
): Promise<Operator> {
  const record = await deployContracts(on.chain, { windowSeconds: 0, attesters: [] });
  const book = new WrittenBook(folder(), on.chain, record, { lines: 0, epochs: 0, users: USERS, seed });
  for (const forgery of forgeries) await book.writeEpoch(LINES, forgery);
  const served = await serveBook(book, cosign);
  ends.push(() => served.close());
  return { book, api: served.url, rpc: on.anvil.rpcUrl };
}

const honest: Forgery = {};

async function audit(...args: string[]): Promise<AuditAnswer & { code: number }> {
  const { code, out, err } = await cli("audit", "--json", ...args);
  if (out === "") throw new Error(err);
  return { code, ...(JSON.parse(out) as AuditAnswer) };
}

const at = ({ api, rpc, book }: Operator) => [
  ...["--api", api, "--rpc", rpc, "--registry", book.record.registry],
];

interface Caught {
  readonly name: string;
  readonly epoch?: number;
  readonly section?: Section;
  readonly index?: number;
  readonly says: RegExp;
}

async function expectCaught({ says, ...place }: Caught, ...args: string[]): Promise<void> {
  const found = await audit(...args);
  expect(found).toMatchObject({ code: 1, valid: false });
  expect(found.checks.at(-1)).toMatchObject({ ok: false, ...place });
  expect(found.checks.at(-1)?.detail).toMatch(says);
}

async function lyingApi({ api }: Operator, change: (path: string, body: string) => string): Promise<string> {
  return proxied(await startLyingApi(api, change));
}

async function lyingNode({ rpc }: Operator, change: Parameters<typeof startLyingNode>[1]): Promise<string> {
  return proxied(await startLyingNode(rpc, change));
}

function proxied(proxy: LyingProxy): string {
  ends.push(() => proxy.close());
  return proxy.url;
}

const inBalances =
  (change: (leaves: Leaf[]) => Leaf[]) =>
  (section: Section, leaves: Leaf[]): Leaf[] =>
    section === "balances" ? change(leaves) : leaves;

/** Amounts of the first two, with the same sum. */
function moved([first, second, ...rest]: Leaf[]): Leaf[] {
  if (!first || !second) throw new Error("too few leaves");
  return [{ ...first, amount: first.amount - 7n }, { ...second, amount: second.amount + 7n }, ...rest];
}

/** The content of the first two, at each other's index. */
function swapped([first, second, ...rest]: Leaf[]): Leaf[] {
  if (!first || !second) throw new Error("too few leaves");
  return [{ ...second, index: first.index }, { ...first, index: second.index }, ...rest];
}

describe("a lying operator", () => {
  it("tells the truth, to begin with", async () => {
    const { code, epochs } = await audit(...at(await operator([honest, honest])));
    expect({ code, epochs }).toEqual({ code: 0, epochs: 2 });
  });

  it("1: changes a leaf, and commits it", async () => {
    const liar = await operator([honest, { leaves: inBalances(moved) }]);
    const says = /amount is published as \d+, by the journal it is \d+/;
    await expectCaught({ name: "leaves", epoch: 2, section: "balances", index: 0, says }, ...at(liar));
  });

  it("2: drops a position", async () => {
    const liar = await operator([{ leaves: inBalances((leaves) => leaves.slice(0, -1)) }]);
    const says = /the published leaf file lacks it/;
    const index = liar.book.replay.count("balances") - 1;
    await expectCaught({ name: "leaves", epoch: 1, section: "balances", index, says }, ...at(liar));
  });

  it("3: swaps the order of two leaves", async () => {
    const liar = await operator([{ leaves: inBalances(swapped) }]);
    const says = /key is published as 0x[0-9a-f]+, by the journal it is 0x/;
    await expectCaught({ name: "leaves", epoch: 1, section: "balances", index: 0, says }, ...at(liar));
  });

  it("4: rewrites an old line, and commits the journal as if it had always been so", async () => {
    const state = folder();
    const liar = await operator([honest]);
    expect((await audit(...at(liar), "--state", state)).code).toBe(0);
    let rewritten = "";
    await liar.book.writeEpoch(LINES, {
      header: (header) => {
        const lines = readFileSync(liar.book.journalFile, "utf8").split("\n").slice(0, -1);
        const place = lines.findIndex((line) => line.includes('"code":"grant"'));
        lines[place] = (lines[place] as string).replace(
          /"amount":"(\d)/,
          (_, digit) => `"amount":"${digit === "7" ? 8 : 7}`,
        );
        rewritten = `${lines.join("\n")}\n`;
        return { ...header, journalRoot: rootOf(lines) };
      },
    });
    // Who audited before reads only the new lines, and their root does not follow from the old ones.
    const says = /lines \d+ to \d+ are not those that the header's journal root is of/;
    await expectCaught({ name: "journal", epoch: 2, says }, ...at(liar), "--state", state);
    // Who begins anew, and is shown the rewritten journal, has epoch 1 against it.
    writeFileSync(liar.book.journalFile, rewritten);
    await expectCaught({ name: "journal", epoch: 1, says }, ...at(liar));
  });

  it("5: cuts the journal's tail off", async () => {
    const liar = await operator([honest, honest]);
    const api = await lyingApi(liar, (path, body) =>
      path.startsWith("/api/v1/audit/journal")
        ? body
            .split("\n")
            .slice(0, LINES - 3)
            .join("\n")
            .concat("\n")
        : body,
    );
    const cut = await startLyingApi(api, (path, body) => (path.includes(`from=${LINES - 3}`) ? "" : body));
    const says = new RegExp(`epoch 1, journal line ${LINES - 3}: the API does not serve it`);
    await expectCaught({ name: "journal", epoch: 1, says }, ...at(liar), "--api", proxied(cut));
    // On the chain a journal cannot shrink at all.
    const shorter = { header: (header: Header) => ({ ...header, journalSize: header.journalSize - 100n }) };
    await expectRefused(liar.book.writeEpoch(LINES, shorter), "JournalShrank");
  });

  it("6: forges a sum, to owe less than it does", async () => {
    const forged = (header: Header): Header => {
      const [balances, ...rest] = header.sections;
      if (!balances) throw new Error("no section");
      return { ...header, sections: [{ ...balances, sum: balances.sum - 5n }, ...rest] };
    };
    const liar = await operator([honest, { header: forged }]);
    const says = /the header has another sum \(\d+, recomputed \d+\)/;
    await expectCaught({ name: "roots", epoch: 2, section: "balances", says }, ...at(liar));
  });

  it("7: uses an epoch's number twice", async () => {
    const liar = await operator([honest, honest]);
    // The registry takes no second header, so that it can only be shown by a node that lies,
    const node = await lyingNode(liar, (method, _, result) =>
      method === "eth_getLogs" ? twice(result as RpcLog[]) : result,
    );
    const says = /its number is used twice: 0x.* and 0x.* were committed, without a veto between/;
    await expectCaught({ name: "header_chain", epoch: 2, says }, ...at({ ...liar, rpc: node }));
    await expectRefused(
      liar.book.writeEpoch(LINES, { header: (header) => ({ ...header, epoch: 2n }) }),
      "WrongEpoch",
    );
    // or by a server that shows a header of its own.
    const api = await lyingApi(liar, (path, body) => {
      if (!path.startsWith("/api/v1/settlement/epochs?")) return body;
      const page = JSON.parse(body) as { data: object[] };
      return JSON.stringify({ ...page, data: [page.data[0], ...page.data] });
    });
    await expectCaught(
      { name: "api_epochs", epoch: 2, says: /the API lists it twice/ },
      ...at(liar),
      "--api",
      api,
    );
  });

  it("8: withholds the data of an epoch", async () => {
    const liar = await operator([honest, honest]);
    const hidden = (part: string) =>
      startLyingApi(liar.api, (path, body) => (path.includes(part) ? { status: 404, body: "{}" } : body));
    const says = /the chain has the epoch, and the server withholds its data: .* answered 404/;
    for (const part of ["/audit/epochs/2/leaves?section=locks", `/audit/journal?from=${LINES}`])
      await expectCaught(
        { name: "withheld", epoch: 2, says },
        ...at(liar),
        "--api",
        proxied(await hidden(part)),
      );
    const checkpoint = /the server withholds the log's checkpoint/;
    const noCheckpoint = proxied(await hidden(`/log/checkpoints/${2 * LINES}`));
    await expectCaught(
      { name: "checkpoints", epoch: 2, says: checkpoint },
      ...at(liar),
      "--api",
      noCheckpoint,
    );
    const empty = await lyingApi(liar, (path, body) => (path.includes("epochs/2/leaves") ? "" : body));
    await expectCaught(
      { name: "leaves", epoch: 2, says: /the published leaf file lacks it/ },
      ...at(liar),
      "--api",
      empty,
    );
  });

  it("9: shows two auditors two views", async () => {
    const witness = witnessKey("witness.example/w1", 3);
    const trusted = ["--witness", formatVerifierKey(witness.key)];
    const elsewhere = await openStand();
    const cosign = (note: string) => witness.line(note, 1_800_000_000);
    // The same contracts at the same addresses, on a chain that only the second auditor is shown. The witness saw the first.
    const shown = await openStand();
    const first = await operator([honest, honest], { on: shown, cosign });
    const second = await operator([honest, honest], { on: elsewhere, seed: 2 });
    expect(second.book.record.registry).toBe(first.book.record.registry);
    expect((await audit(...at(first), ...trusted)).code).toBe(0);
    // Each for itself looks right; that is why one asks more than one node, or a witness.
    expect((await audit(...at(second))).code).toBe(0);
    await expectCaught(
      { name: "rpcs", says: /the hash of block \d+: .* says 0x.*, .* says 0x/ },
      ...at(second),
      ...["--rpc", first.rpc, "--finality-depth", "0"],
    );
    await expectCaught(
      { name: "checkpoints", epoch: 1, says: /seen by 0 of 1 known witnesses, 1 needed/ },
      ...[...at(second), ...trusted],
    );
    // On one chain there is one header: the other view's journal is not that of its root.
    const says = /lines 0 to \d+ are not those that the header's journal root is of/;
    const split = await lyingApi(first, (path, body) =>
      path.startsWith("/api/v1/audit/journal")
        ? readFileSync(second.book.journalFile, "utf8").split("\n").slice(0, LINES).join("\n").concat("\n")
        : body,
    );
    await expectCaught({ name: "journal", epoch: 1, says }, ...at(first), "--api", split);
    // And a checkpoint that the log signed for another journal than the header's is the log's own word against it.
    const forked = await lyingApi(first, (path, body) =>
      path.startsWith("/api/v1/log/checkpoints") ? other : body,
    );
    const other = await (await fetch(`${second.api}/api/v1/log/checkpoints/${LINES}`)).text();
    await expectCaught(
      { name: "checkpoints", epoch: 1, says: /the log shows two views/ },
      ...at(first),
      "--api",
      forked,
    );
  });

  it("10: holds fewer tokens than it owes", async () => {
    const liar = await operator([honest]);
    const { provider } = stand.chain;
    const { token, custodians } = liar.book.record;
    await setBalance(provider, token, custodians.locks, 0n);
    const says = /[\d.]+ TST \(\d+ base units\) are owed, the custodians hold [\d.]+ TST \(\d+ base units\)$/;
    await expectCaught({ name: "custody", epoch: 1, says }, ...at(liar));
    await setBalance(provider, token, custodians.locks, 1_000_000n * 10n ** 18n);
    const netting = /its custodian holds 1000000 TST \(1\d{24} base units\), the sum is [\d.]+ TST/;
    await expectCaught({ name: "netting", epoch: 1, section: "locks", says: netting }, ...at(liar));
  });

  it("11: computes the roots for another domain", async () => {
    const record = await deployContracts(stand.chain, { windowSeconds: 0, attesters: [] });
    const says = /the header has another root; sum and count agree: another domain/;
    const liar = await operator([{ record }]);
    await expectCaught({ name: "roots", epoch: 1, section: "balances", says }, ...at(liar));
    const api = await lyingApi(liar, (path, body) =>
      path.endsWith("/contracts")
        ? JSON.stringify({ ...liar.book.record, custodians: record.custodians })
        : body,
    );
    await expectCaught(
      { name: "contracts", says: /another custodian than the registry/ },
      ...at(liar),
      "--api",
      api,
    );
  });

  it("12: backdates a header", async () => {
    const [first, ago] = [await operator([honest]), 3_600n];
    const backdated = (header: Header): Header => ({ ...header, closedAt: header.closedAt - ago });
    await expectRefused(first.book.writeEpoch(1, { header: backdated }), "ClosedBeforePredecessor");
    const liar = await operator([{ header: backdated }]);
    const says = /it says that it closed at \d+, its last line is of \d+: it is backdated/;
    await expectCaught({ name: "header_chain", epoch: 1, says }, ...at(liar));
  });

  it("and counts tokens as held that others have entered, and that nobody was credited for", async () => {
    const liar = await operator([honest]);
    const { provider, signer } = stand.chain;
    const { token, custodians } = liar.book.record;
    await setBalance(provider, token, signer?.address ?? "", 7n);
    const vault = contractAt(stand.chain, "SettlementVault", custodians.balances);
    await mined(vault.getFunction("deposit")(7n));
    const book = new Book(stand.chain, liar.book.record);
    const { vault: held } = await book.custody();
    expect((await audit(...at(liar))).checks.filter(({ ok }) => !ok)).toEqual([]);
    await setBalance(provider, token, custodians.balances, held - 7n);
    const says = /are owed, the custodians hold .*, [\d.]+ TST \(7 base units\) of it for entries that wait$/;
    await expectCaught({ name: "custody", epoch: 1, says }, ...at(liar));
  });

  it("and has custodians keep another final root than the header's", async () => {
    const liar = await operator([honest, honest]);
    // The contracts cannot: so it is a node that says so.
    const { selector = "" } = contractArtifact("SettlementVault").abi.getFunction("finalSection") ?? {};
    const ofStakes = `${selector}${"2".padStart(64, "0")}`;
    const node = await lyingNode(liar, (method, params, result) => {
      const [call] = params as { data?: string; input?: string }[];
      if (method !== "eth_call" || (call?.data ?? call?.input) !== ofStakes) return result;
      return `0x${"5".repeat(56)}${`${result}`.slice(58)}`;
    });
    const says = /the custodian holds another final root/;
    await expectCaught(
      { name: "final_roots", epoch: 2, section: "stakes", says },
      ...at({ ...liar, rpc: node }),
    );
  });

  it("and moves TST of a user to another, by the journal and all that follows from it", async () => {
    const liar = await operator([honest, { lines: (writer) => writer.giveAway() }]);
    const says = new RegExp(
      `^epoch 2, journal line ${LINES}: moves \\d+ base units \\(gift\\) from balances 1 to balances 2: not the same user's$`,
    );
    await expectCaught({ name: "moves", epoch: 2, says }, ...at(liar));
  });

  it("and gives what happened on the chain no line", async () => {
    const liar = await operator([honest]);
    const { chain } = stand;
    const to = liar.book.record.registry;
    const cancel = contractArtifact("SettlementRegistry").abi.encodeFunctionData("cancelWallet", [ZERO_WORD]);
    const receipt = await mined(chain.signer?.sendTransaction({ to, data: cancel }));
    const final = BigInt((await receipt.getBlock()).timestamp);
    await chain.provider.send("evm_increaseTime", [7_200]);
    const closing = (closedAt: bigint): Forgery => ({ header: (header) => ({ ...header, closedAt }) });
    const finalAtOnce = ["--finality-depth", "0", "--state", folder()];
    await liar.book.writeEpoch(LINES, closing(final + 3_600n));
    expect((await audit(...at(liar), ...finalAtOnce)).checks.filter(({ ok }) => !ok)).toEqual([]);
    await liar.book.writeEpoch(LINES, closing(final + 3_601n));
    const says = new RegExp(
      `^epoch 3: WalletCancelled of block ${receipt.blockNumber} \\(${receipt.hash}, log 0\\) was final at ${final}, ` +
        `and the epoch closed at ${final + 3_601n}, more than an hour later, without its line$`,
    );
    await expectCaught({ name: "chain_lines", epoch: 3, says }, ...at(liar), ...finalAtOnce);
  });
});

function rootOf(lines: readonly string[]) {
  const log = LogFrontier.empty();
  for (const line of lines) log.append(line);
  return log.root();
}

async function expectRefused(commit: Promise<unknown>, name: string): Promise<void> {
  const error = await commit.then(
    () => null,
    (refusal: unknown) => refusal,
  );
  expect(contractRefusal(error)?.name).toBe(name);
}

interface RpcLog {
  readonly data: string;
  readonly topics: readonly string[];
}

/** The commit of the second epoch once more, in whatever answer it stands. */
function twice(logs: readonly RpcLog[]): RpcLog[] {
  return logs.flatMap((log) =>
    log.data.length > 1_000 && BigInt(log.topics[1] ?? 0) === 2n ? [log, log] : [log],
  );
}

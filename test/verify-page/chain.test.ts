/** Asking a node from the page: only on demand, on a real chain, and told apart from a node that cannot be asked. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Chain, connectChain, type DeploymentRecord, deployContracts, finalizeCalldata } from "#infra";
import type { Header, ProofDocumentJson } from "#proof";
import { type Anvil, startAnvil } from "../support/anvil.ts";
import { describeWithChromium } from "../support/chromium.ts";
import { commitLocks, commitNext, freezeBook, sendToRegistry } from "../support/committed-locks.ts";
import { type SignedJournal, signedJournal } from "../support/signed-journal.ts";
import { createPageWorld, type OpenPage, type PageWorld } from "./world.ts";

describeWithChromium("the page and a chain", () => {
  let world: PageWorld;
  let anvil: Anvil;
  let chain: Chain;
  let record: DeploymentRecord;
  let header: Header;
  let proof: ProofDocumentJson;
  let journal: SignedJournal;

  beforeAll(async () => {
    anvil = await startAnvil();
    chain = await connectChain({ rpcUrl: anvil.rpcUrl, privateKey: anvil.privateKeys[0] });
    record = await deployContracts(chain, { windowSeconds: 0, attesters: [] });
    ({ header, proof, journal } = await commitLocks(chain, record));
    world = await createPageWorld();
  });
  afterAll(async () => {
    await world?.close();
    chain?.close();
    await anvil?.stop();
  });

  async function ask({ page, verdict }: OpenPage, rpc: string, registry = ""): Promise<string> {
    await page.getByLabel("Address of a node").fill(rpc);
    await page.getByLabel("Address of the registry").fill(registry);
    await page.getByRole("button", { name: "Ask this node" }).click();
    return verdict("confirmed", "refuted", "unanswered");
  }

  for (const place of ["servedAt", "onDisk"] as const)
    test(`a committed epoch is confirmed, first as not final, then as final (${place})`, async () => {
      const open = await world.open(world[place]);
      expect(await open.give(proof)).toContain("Valid as far as the file goes.");
      expect(open.asked).toEqual([world[place]]);
      const said = await ask(open, anvil.rpcUrl);
      const isFinal = place === "onDisk";
      expect(said).toContain(
        isFinal ? "Valid, and final on the chain." : "Valid, and on the chain, but not final yet.",
      );
      expect(said).toContain("The registry is the proof's own word");
      expect(await open.page.locator("#chain-steps h3").allInnerTexts()).toEqual([
        "The node is of the proof's chain ✓ holds",
        "The registry is a contract there ✓ holds",
        "It names this token and this custodian ✓ holds",
        "It holds this header for this epoch ✓ holds",
        "The named transaction committed it ✓ holds",
        "It finds the position by its own computation ✓ holds",
        "It says whether the epoch is final ✓ holds",
      ]);
      // The node, and nobody else.
      const [self, ...others] = open.asked;
      expect(self).toBe(world[place]);
      expect(new Set(others.map((url) => new URL(url).origin))).toEqual(
        new Set([new URL(anvil.rpcUrl).origin]),
      );
      if (!isFinal) {
        await sendToRegistry(chain, record, finalizeCalldata(header));
        expect(await ask(open, anvil.rpcUrl, record.registry)).toContain(
          "The registry is the one you named.",
        );
      }
      expect(open.troubles).toEqual([]);
      await open.close();
    });

  test("a made-up epoch that holds together is refuted, and so is a registry that is not the one you know", async () => {
    const open = await world.open(world.onDisk);
    const forged = await forgedProof();
    expect(await open.give(forged)).toContain("Valid as far as the file goes.");
    const said = await ask(open, anvil.rpcUrl);
    expect(said).toContain("Not valid: the chain says otherwise.");
    expect(said).toContain("The chain does not hold this header for this epoch.");
    await open.give(proof);
    const other = await ask(open, anvil.rpcUrl, `0x${"99".repeat(20)}`);
    expect(other).toContain("another registry than the one you named");
    await open.close();
  });

  test("a line's root stands in the header of an epoch, by the registry that you name", async () => {
    const open = await world.open(world.onDisk);
    await open.give(journal.file(3, 9), "line-3.tlog-proof");
    await open.page.getByLabel("Address of a node").fill(anvil.rpcUrl);
    await open.page.getByRole("button", { name: "Ask this node" }).click();
    await open.page.getByRole("alert").filter({ hasText: "40 hexadecimal digits" }).waitFor();
    expect(open.asked).toHaveLength(1);
    const said = await ask(open, anvil.rpcUrl, record.registry);
    expect(said).toContain("Valid, and final on the chain.");
    expect(said).toContain("Line 3 stands among the first 9 lines");
    expect(await open.page.locator("#chain-steps h3").allInnerTexts()).toEqual([
      "The registry is a contract there ✓ holds",
      "A header of an epoch there has this root ✓ holds",
      "It says whether the epoch is final ✓ holds",
    ]);
    await open.give(journal.file(3, 8), "line-3.tlog-proof");
    expect(await ask(open, anvil.rpcUrl, record.registry)).toContain("no epoch that stands has 8 lines");
    // A whole and signed log of as many lines, with other lines.
    await open.give(signedJournal(9, "forged").file(3, 9), "line-3.tlog-proof");
    const refuted = await ask(open, anvil.rpcUrl, record.registry);
    expect(refuted).toContain("Not valid: the chain says otherwise.");
    expect(refuted).toContain("No epoch that the registry holds has this journal root");
    await open.close();
  });

  test("a node that is away, no node at all, or one that no page may ask, proves nothing either way", async () => {
    const silent = createServer((_, response) => response.end("hello"));
    const page = createServer((request, response) => {
      response.setHeader("access-control-allow-origin", "*");
      response.setHeader("access-control-allow-headers", "content-type");
      response.end(request.method === "OPTIONS" ? "" : "<html>");
    });
    const ports = await Promise.all(
      [silent, page].map(
        (server) =>
          new Promise<number>((resolve) => {
            server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
          }),
      ),
    );
    const open = await world.open(world.onDisk);
    await open.give(proof);
    try {
      for (const [address, why] of [
        ["http://127.0.0.1:9", "there was no answer"],
        [`http://127.0.0.1:${ports[0]}`, "allow pages to ask it (CORS)"],
        [`http://127.0.0.1:${ports[1]}`, "is this the address of a node?"],
      ] as const) {
        const said = await ask(open, address);
        expect(said).toContain("The node could not be asked.");
        expect(said).toContain(why);
        expect(said).toContain("still open");
      }
    } finally {
      await open.close();
      for (const server of [silent, page]) server.close();
    }
  });

  test("an address that is none is refused where it stands, and nothing is asked", async () => {
    const open = await world.open(world.onDisk);
    await open.give(proof);
    for (const [address, why] of [
      ["", "Write a whole address"],
      ["localhost:8545", "must begin with http"],
      ["http://user:secret@127.0.0.1:8545", "without them"],
    ] as const) {
      await open.page.getByLabel("Address of a node").fill(address);
      await open.page.getByRole("button", { name: "Ask this node" }).click();
      await open.page.getByRole("alert").filter({ hasText: why }).waitFor();
      expect(await open.page.getByLabel("Address of a node").getAttribute("aria-invalid")).toBe("true");
    }
    expect(open.asked).toHaveLength(1);
    await open.close();
  });

  // The last: nothing works in this book after it.
  test("in a frozen book, what was final is final and what was not never will be", async () => {
    const pending = await commitNext(chain, record, { header, proof, journal });
    const open = await world.open(world.onDisk);
    await open.give(pending);
    expect(await ask(open, anvil.rpcUrl)).toContain("Valid, and on the chain, but not final yet.");
    await freezeBook(chain, record);
    const cancelled = await ask(open, anvil.rpcUrl);
    expect(cancelled).toContain("Not valid: the chain says otherwise.");
    expect(cancelled).toContain("epoch 2 will never be final");
    expect(cancelled).toMatch(/The book was frozen 20\d\d-\S+ \S+: what was not final then never counts\./);
    expect(cancelled).toContain("The last final epoch is 1.");
    expect(cancelled).not.toContain("not final yet");
    await open.give(proof);
    const last = await ask(open, anvil.rpcUrl);
    expect(last).toContain("Valid, and final on the chain; the book is frozen.");
    expect(last).toContain("this is its last final epoch");
    expect(await open.page.locator("#chain-steps").textContent()).toContain(
      "was final when the book was frozen",
    );
    await open.close();
  });

  /** All of it consistent, none of it settled: what anybody can make at home. */
  async function forgedProof(): Promise<ProofDocumentJson> {
    const { buildProof, parseProof, proofToJson } = await import("#proof");
    const { opening, leaf, siblings, section, custodian, asset } = parseProof(proof);
    const made = { ...header, closedAt: header.closedAt + 1n };
    return proofToJson(
      buildProof({ header: made, section, custodian, asset, leaf, siblings, opening, txHash: null }),
    );
  }
});

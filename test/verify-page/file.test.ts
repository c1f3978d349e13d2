/** Checking a file on the page, in a real browser: what is right, and each way in which it can be wrong, in plain words. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { logLeafHash, type ProofDocumentJson, toHex } from "#proof";
import { verifyProof } from "#verifier";
import { describeWithChromium } from "../support/chromium.ts";
import { signedJournal } from "../support/signed-journal.ts";
import { createPageWorld, type OpenPage, type PageWorld } from "./world.ts";

/** The worked example of the format's document: Bob's balance. */
const proof: ProofDocumentJson = JSON.parse(
  /```json proof\n([\s\S]+?)```/.exec(
    readFileSync(resolve(import.meta.dirname, "../../docs/settlement-format.md"), "utf8"),
  )?.[1] ?? "",
);

const withLeaf = (change: object) => ({ ...proof, leaf: { ...proof.leaf, ...change } });
const withHeader = (change: object) => ({ ...proof, header: { ...proof.header, ...change } });
const [sibling] = proof.siblings;
const journal = signedJournal(9);

describeWithChromium("a file on the page", () => {
  let world: PageWorld;
  let open: OpenPage;

  beforeAll(async () => {
    world = await createPageWorld();
    open = await world.open(world.servedAt);
  });
  afterAll(() => world?.close());

  for (const place of ["servedAt", "onDisk"] as const)
    test(`a true proof is valid and every step is shown (${place}), and nothing is asked of anybody`, async () => {
      const { page, asked, troubles, give, close } = await world.open(world[place]);
      const said = await give(proof);
      expect(said).toContain("Valid as far as the file goes.");
      expect(said).toContain(
        "Position 1 of balances held 40000000000000000000 base units (40 with 18 decimals)",
      );
      expect(said).toContain("Not checked yet");
      const steps = await page.locator("#steps > li h3").allInnerTexts();
      expect(steps).toEqual([
        "What the file names ✓ holds",
        "Whose position it is ✓ holds",
        "The domain ✓ holds",
        "The leaf ✓ holds",
        "From the leaf to the root ✓ holds",
        "The root ✓ holds",
        "The header ✓ holds",
      ]);
      const shown = await page.locator("#steps").textContent();
      // Each number of the worked example, from the leaf's hash to the header's.
      for (const value of [
        "0x154873e7306cff38363a53a0c79e4aceeba38e6f623bb285338536981be06ff8",
        "0xe6339c180de8c2823461a4327a98eaa6d5875fc02acfc62093308eaf1054bcde sum 40000000000000000000",
        "0x8cc52f8c5d92db62fccb9e48227c994282ba1f6e5eeaa438b5c9f5fd0040b351 sum 55000000000000000000",
        "0x5fd74dc50ef3eb2ae84fa42f12d74c5414968a3dc4542cd66a9dbf287a350196 sum 62000000000000000000",
        "1 of 3 positions",
        proof.header_hash,
        "bob",
      ])
        expect(shown).toContain(value);
      expect(asked).toEqual([world[place]]);
      expect(troubles).toEqual([]);
      await close();
    });

  test.each<[string, unknown, readonly string[]]>([
    [
      "a changed amount",
      withLeaf({ amount: "41000000000000000000" }),
      ["does not lead to the header's root", "do not add up"],
    ],
    ["another owner", withLeaf({ owner: `0x${"12".repeat(20)}` }), ["does not lead to the header's root"]],
    [
      "a neighbour's sum that is wrong",
      { ...proof, siblings: [{ ...sibling, sum: "1" }, ...proof.siblings.slice(1)] },
      ["do not add up"],
    ],
    [
      "sums without room in 128 bits",
      { ...proof, siblings: [{ ...sibling, sum: `${2n ** 128n - 1n}` }, ...proof.siblings.slice(1)] },
      ["overflows 128 bits"],
    ],
    ["a missing neighbour", { ...proof, siblings: proof.siblings.slice(1) }, ["wrong length"]],
    ["another epoch", { ...proof, epoch: "2" }, ["another epoch than its own header"]],
    ["a changed header", withHeader({ journal_size: "9" }), ["The header was changed"]],
    ["another registry", { ...proof, registry: `0x${"99".repeat(20)}` }, ["another chain or registry"]],
    ["another section", { ...proof, section: "payouts" }, ["no such positions at all"]],
    ["an index outside", withLeaf({ index: "3" }), ["outside the count"]],
    [
      "somebody else's name",
      { ...proof, opening: { ...proof.opening, parts: ["alice"] } },
      ["The name of the position does not belong to it"],
    ],
    ["another version", { ...proof, format: "anchorbook-proof/2" }, ["not a proof of a form", "must be"]],
    ["a member too many", { ...proof, more: "1" }, ['unknown member "more"']],
    [
      "JSON that is something else",
      { hello: "world" },
      ["not a proof of a form", 'lacks the member "format"'],
    ],
    ["JSON null", "null", ["not a proof of a form"]],
  ])("%s is not valid, and why is said in words", async (_, document, sentences) => {
    const said = await open.give(document as object);
    expect(said).toMatch(/^Not valid: \d+ checks? of \d+ failed\./);
    for (const sentence of sentences) expect(said).toContain(sentence);
    expect(await open.page.locator("#ask").isHidden()).toBe(true);
    // The page says what the verifier says, check by check.
    const failed = verifyProof(document).checks.filter(({ ok }) => !ok).length;
    expect(said).toContain(`Not valid: ${failed} check`);
  });

  test.each<[string, string | Buffer, string]>([
    ["a text that is no JSON", "hello, this is no proof", "It is not JSON"],
    ["an empty file", "", "It is empty"],
    ["a file that ends in the middle", JSON.stringify(proof).slice(0, 900), "It ends in the middle"],
    [
      "a file of 5 MB",
      Buffer.alloc(5_000_000, "a"),
      "It is too large: a proof has some thousand bytes, and this has 5.0 million",
    ],
    ["a picture", Buffer.from([0x89, 0x50, 0x4e, 0x47, 0xff, 0xfe, 0x00]), "It is not text"],
    [
      "an error that was saved",
      JSON.stringify({ error: "not_found", message: "That epoch is not committed", status: 404 }),
      "an error that a server answered: That epoch is not committed",
    ],
    ["an error without words", JSON.stringify({ error: "not_found" }), "a server answered: not_found"],
    ["an error of a node", JSON.stringify({ error: { message: "busy" } }), "a server answered: busy"],
  ])("%s is no proof, and that is said", async (_, content, sentence) => {
    const said = await open.give(content);
    expect(said).toContain("Not valid: this cannot be a proof.");
    expect(said).toContain(sentence);
    expect(await open.page.locator("#steps > li").count()).toBe(0);
  });

  test("the proof of a line is computed step by step, from the text to the root, and its signature is checked", async () => {
    const { page, asked, troubles, give, verdict, close } = await world.open(world.onDisk);
    const said = await give(journal.file(6, 9), "line-6.tlog-proof");
    expect(said).toContain("Valid as far as the file goes.");
    expect(said).toContain("Line 6 stands among the first 9 lines of the log log.example/made-up");
    expect(await page.locator("#steps > li h3").allInnerTexts()).toEqual([
      "What the file names ✓ holds",
      "The line ✓ holds",
      "From the line to the root ✓ holds",
      "The root ✓ holds",
    ]);
    const shown = await page.locator("#steps").textContent();
    const [first] = journal.tree.inclusionProof(6n, 9n);
    for (const value of [
      journal.line(6),
      first,
      journal.tree.rootAt(9n),
      "4 times a byte 1 and two neighbours",
    ])
      expect(shown).toContain(value);
    const sign = async (key: string) => {
      await page.getByLabel("Key of the log").fill(key);
      await page.getByRole("button", { name: "Check this signature" }).click();
    };
    await sign("hello");
    await page.getByRole("alert").filter({ hasText: "A key is its name" }).waitFor();
    await sign(journal.key);
    expect(await verdict("confirmed")).toContain("Valid, and signed by the log.");
    await sign("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
    expect(await verdict("refuted")).toContain("Not valid: this is not signed with the key you named.");
    expect(asked).toEqual([world.onDisk]);
    expect(troubles).toEqual([]);
    await close();
  });

  test("what the API answers of a line is taken too, and has no signature to check", async () => {
    const { page, give, close } = await world.open(world.onDisk);
    const answer = {
      ...{ index: 6, size: 9, root: journal.tree.rootAt(9n), line: journal.line(6) },
      ...{ leaf_hash: toHex(logLeafHash(journal.line(6))), proof: journal.tree.inclusionProof(6n, 9n) },
    };
    expect(await give(answer)).toContain("Valid as far as the file goes.");
    expect(await page.locator("#sign").isHidden()).toBe(true);
    expect(await page.locator("#ask").isVisible()).toBe(true);
    expect(await give(proof)).toContain("Position 1 of balances");
    expect(await page.getByLabel("Address of the registry").getAttribute("id")).toBe("registry");
    await close();
  });

  test.each<[string, string, string]>([
    [
      "another line",
      journal.file(6, 9).replace(/extra .*/, "extra eyJsaW5lIjoiNSJ9"),
      "does not lead to the root",
    ],
    ["a missing line", journal.file(6, 9).replace(/extra .*\n/, ""), "the file does not carry the line"],
    ["a missing hash", journal.file(6, 9).replace(/(index 6\n).*\n/, "$1"), "has the wrong length"],
    ["half a file", journal.file(6, 9).slice(0, 120), "not a proof of a form that can be checked"],
  ])("of a line's proof %s is found", async (_, file, sentence) => {
    const said = await open.give(file, "line.tlog-proof");
    expect(said).toMatch(/^Not valid: \d checks? of \d failed\./);
    expect(said).toContain(sentence);
    expect(await open.page.locator("#ask").isHidden()).toBe(true);
    expect(await open.page.locator("#sign").isHidden()).toBe(true);
  });

  test("a file may be dropped, and one text may follow another", async () => {
    const { page, give, verdict, troubles, close } = await world.open(world.onDisk);
    expect(await give("{")).toContain("Not valid");
    await page.evaluate((text) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([text], "proof.json", { type: "application/json" }));
      document.body.dispatchEvent(
        new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }),
      );
    }, JSON.stringify(proof));
    expect(await verdict("valid")).toContain("Valid as far as the file goes.");
    await page.locator("#paste").fill(JSON.stringify(withLeaf({ amount: "1" })));
    await page.getByRole("button", { name: "Check this text" }).click();
    expect(await verdict("broken")).toContain("Not valid");
    expect(troubles).toEqual([]);
    await close();
  });

  test("what a proof says is shown as text, whatever it looks like", async () => {
    const { page, give, troubles, asked, close } = await world.open(world.onDisk);
    const parts = ["<img src=x onerror=alert(1)><script>alert(2)</script>"];
    await give({ ...proof, opening: { ...proof.opening, parts } });
    expect(await page.locator("#steps").textContent()).toContain(parts[0]);
    expect(await page.locator("#steps img, #steps script").count()).toBe(0);
    expect(troubles).toEqual([]);
    expect(asked).toHaveLength(1);
    await close();
  });

  test("the policy keeps out any script that is not the page's, and any frame around it", async () => {
    const { page, close } = await world.open(world.servedAt);
    const ran = await page.evaluate(() => {
      const script = document.createElement("script");
      try {
        script.text = "window.intruder = true";
      } catch {
        // no text becomes a script here
      }
      document.body.append(script);
      return "intruder" in window;
    });
    expect(ran).toBe(false);
    const { headers } = await fetch(world.servedAt);
    expect(headers.get("content-security-policy")).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
    expect(headers.get("content-security-policy")).not.toContain("unsafe-inline");
    await close();
  });
});

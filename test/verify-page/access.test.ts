/** The page without a mouse, without sight, in the dark and on a small screen. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeWithChromium } from "../support/chromium.ts";
import { signedJournal } from "../support/signed-journal.ts";
import { createPageWorld, type PageWorld } from "./world.ts";

const proof =
  /```json proof\n([\s\S]+?)```/.exec(
    readFileSync(resolve(import.meta.dirname, "../../docs/settlement-format.md"), "utf8"),
  )?.[1] ?? "";

const journal = signedJournal(9);

describeWithChromium("the page for everybody", () => {
  let world: PageWorld;
  beforeAll(async () => {
    world = await createPageWorld();
  });
  afterAll(() => world?.close());

  test("with the keyboard alone: paste, check, ask, correct", async () => {
    const { page, verdict, troubles, close } = await world.open(world.onDisk);
    const { keyboard } = page;
    const tabTo = tabbing(page);
    await tabTo("To the result");
    await tabTo("file");
    await tabTo("paste");
    await keyboard.insertText(proof);
    await tabTo("Check this text");
    await keyboard.press("Enter");
    expect(await verdict("valid")).toContain("Valid as far as the file goes.");
    await tabTo("rpc");
    await keyboard.type("http://127.0.0.1:9");
    await keyboard.press("Enter");
    expect(await verdict("unanswered")).toContain("The node could not be asked.");
    await tabTo("registry");
    await keyboard.type("0x12");
    await keyboard.press("Enter");
    await page.getByRole("alert").filter({ hasText: "40 hexadecimal digits" }).waitFor();
    expect((await focused(page)).name).toBe("registry");
    await tabTo("Ask this node");
    await tabTo("summary");
    await keyboard.press("Enter");
    expect(await page.locator("details").first().getAttribute("open")).toBeNull();
    expect(troubles).toEqual([]);
    await close();
  });

  test("what a screen reader is told: names for all that can be used, and the result aloud", async () => {
    const { page, give, close } = await world.open(world.servedAt);
    await give(proof);
    const nodes = await accessibilityTree(page);
    const usable = nodes.filter(({ role }) =>
      ["textbox", "button", "link", "DisclosureTriangle"].includes(role),
    );
    expect(usable.length).toBeGreaterThan(6);
    expect(usable.filter(({ name }) => name === "")).toEqual([]);
    const named = (role: string) => nodes.filter((node) => node.role === role).map(({ name }) => name);
    expect(named("textbox")).toEqual([
      "Or paste its text",
      "Address of a node (JSON-RPC)",
      "Address of the registry, if you know it from elsewhere (may stay empty)",
    ]);
    expect(await page.getByLabel("Proof file", { exact: true }).getAttribute("type")).toBe("file");
    expect(named("heading").slice(0, 4)).toEqual([
      "Check a proof",
      "1. The proof",
      "Result",
      "2. Ask the chain",
    ]);
    for (const role of ["main", "banner", "contentinfo"]) expect(named(role), role).toHaveLength(1);
    expect(named("region")).toEqual(["1. The proof", "Result", "2. Ask the chain", "Every step"]);
    const result = page.getByRole("status");
    expect(await result.getAttribute("aria-live")).toBe("polite");
    expect(await result.textContent()).toContain("Valid as far as the file goes.");
    expect(await page.locator("html").getAttribute("lang")).toBe("en");
    await close();
  });

  test("the proof of a line, with the keyboard alone and as a screen reader is told of it", async () => {
    const { page, verdict, troubles, close } = await world.open(world.onDisk);
    const { keyboard } = page;
    const tabTo = tabbing(page);
    await tabTo("paste");
    await keyboard.insertText(journal.file(6, 9));
    await tabTo("Check this text");
    await keyboard.press("Enter");
    expect(await verdict("valid")).toContain("Line 6 stands among the first 9 lines");
    await tabTo("log-key");
    await keyboard.type("hello");
    await keyboard.press("Enter");
    await page.getByRole("alert").filter({ hasText: "A key is its name" }).waitFor();
    expect((await focused(page)).name).toBe("log-key");
    await keyboard.press("ControlOrMeta+A");
    await keyboard.insertText(journal.key);
    await keyboard.press("Enter");
    expect(await verdict("confirmed")).toContain("Valid, and signed by the log.");
    const nodes = await accessibilityTree(page);
    const named = (role: string) => nodes.filter((node) => node.role === role).map(({ name }) => name);
    expect(named("textbox")).toEqual([
      "Or paste its text",
      "Address of a node (JSON-RPC)",
      "Address of the registry",
      "Key of the log (name+id+base64)",
    ]);
    expect(named("region")).toEqual([
      ...["1. The proof", "Result", "2. Ask the chain", "3. Check the signature", "Every step"],
    ]);
    expect(named("list")).toContain("What the signature says");
    expect(nodes.filter(({ role, name }) => role === "button" && name === "")).toEqual([]);
    expect((await page.evaluate(contrastOfTexts)).filter(({ ratio }) => ratio < 4.5)).toEqual([]);
    expect(troubles).toEqual([]);
    await close();
  });

  for (const colorScheme of ["light", "dark"] as const)
    test(`text can be read in ${colorScheme} colours`, async () => {
      const { page, give, close } = await world.open(world.onDisk, { colorScheme });
      await give(proof.replace('"40000', '"41000'));
      const contrasts = await page.evaluate(contrastOfTexts);
      expect(contrasts.length).toBeGreaterThan(20);
      expect(contrasts.filter(({ ratio }) => ratio < 4.5)).toEqual([]);
      await close();
    });

  test("light and dark are different pages to look at", async () => {
    const backgrounds = await Promise.all(
      (["light", "dark"] as const).map(async (colorScheme) => {
        const { page, close } = await world.open(world.onDisk, { colorScheme });
        const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
        await close();
        return background;
      }),
    );
    expect(new Set(backgrounds).size).toBe(2);
  });

  test("a screen of 320 points needs no scrolling sideways", async () => {
    const { page, give, close } = await world.open(world.onDisk, { viewport: { width: 320, height: 640 } });
    // What holds, what does not (whole hashes in a sentence) and a line.
    for (const file of [proof, proof.replaceAll(/"sum": "\d+"/g, '"sum": "1"'), journal.file(6, 9)]) {
      await give(file);
      const widths = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
      expect(widths[0]).toBeLessThanOrEqual(widths[1] ?? 0);
    }
    await close();
  });
});

/** Presses Tab until something of this name has the focus, which must be seen wherever it is. */
function tabbing(page: Page): (name: string) => Promise<void> {
  return async (name) => {
    const reached: string[] = [];
    for (let presses = 0; presses < 12; presses++) {
      await page.keyboard.press("Tab");
      const at = await focused(page);
      reached.push(at.name);
      expect(at.outline, at.name).not.toBe("none");
      if (at.name === name) return;
    }
    throw new Error(`Tab does not lead to ${name}, but to ${reached.join(", ")}`);
  };
}

interface Focused {
  readonly name: string;
  readonly outline: string;
}

function focused(page: Page): Promise<Focused> {
  return page.evaluate(() => {
    const at = document.activeElement;
    if (!at) return { name: "nothing", outline: "none" };
    const name = at.tagName === "SUMMARY" ? "summary" : at.id || (at.textContent ?? "");
    return { name, outline: getComputedStyle(at).outlineStyle };
  });
}

interface AccessibleNode {
  readonly role: string;
  readonly name: string;
}

/** As the browser hands it to screen readers. */
async function accessibilityTree(page: Page): Promise<AccessibleNode[]> {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  return nodes
    .filter(({ ignored }) => !ignored)
    .map(({ role, name }) => ({ role: `${role?.value ?? ""}`, name: `${name?.value ?? ""}` }));
}

/** WCAG's contrast of each element with text of its own against what is behind it. Runs in the page. */
function contrastOfTexts(): { text: string; ratio: number }[] {
  const parse = (color: string) => (color.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = (color: number[]) => {
    const [red = 0, green = 0, blue = 0] = color.map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const behind = (start: Element): number[] => {
    for (let at: Element | null = start; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || (color[3] ?? 0) > 0) return color.slice(0, 3);
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll<HTMLElement>("body *")]
    .filter((element) =>
      [...element.childNodes].some((node) => node.nodeType === 3 && (node.textContent ?? "").trim() !== ""),
    )
    .filter((element) => element.checkVisibility())
    .map((element) => {
      const text = luminance(parse(getComputedStyle(element).color).slice(0, 3));
      const ground = luminance(behind(element));
      const ratio = (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
      return { text: (element.textContent ?? "").trim().slice(0, 40), ratio };
    });
}

/** The page as a person has it: served, or a file on disk, in a real browser that says what it asked of the network. */
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { createLifecycle, serviceRoutes } from "#api";
import { createMetrics } from "#infra";
import { startApi } from "../support/api-app.ts";
import { STEP_TIMEOUT_MS, startChromium } from "../support/chromium.ts";

const PAGE_FILE = resolve(import.meta.dirname, "../../src/verify-page/verify.html");

export interface PageWorld {
  /** `http://127.0.0.1:…/verify` */
  readonly servedAt: string;
  /** `file:///…/verify.html`, in a folder with nothing else. */
  readonly onDisk: string;
  open(url: string, options?: BrowserContextOptions): Promise<OpenPage>;
  close(): Promise<void>;
}

export interface OpenPage {
  readonly page: Page;
  /** Every address that the page asked for, itself first. */
  readonly asked: readonly string[];
  /** Errors of scripts and violations of the policy. */
  readonly troubles: readonly string[];
  /** Chooses a file and waits for what is said of it. */
  give(content: string | Buffer | object, name?: string): Promise<string>;
  /** What the result says once it is in one of these states. */
  verdict(...states: string[]): Promise<string>;
  close(): Promise<void>;
}

const ALL_STATES = ["unreadable", "broken", "valid", "confirmed", "refuted", "unanswered"];

export async function createPageWorld(): Promise<PageWorld> {
  const folder = mkdtempSync(join(tmpdir(), "anchorbook-page-"));
  const file = join(folder, "verify.html");
  cpSync(PAGE_FILE, file);
  const api = await startApi(
    serviceRoutes({
      probes: [],
      lifecycle: createLifecycle(),
      metrics: createMetrics(),
      version: "test",
      allRoutes: () => [],
    }),
  );
  const browser = await startChromium();
  return {
    servedAt: `${api.url}/verify`,
    onDisk: pathToFileURL(file).href,
    open: (url, options) => openPage(browser, url, options),
    async close() {
      await browser.close();
      await api.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<OpenPage> {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(STEP_TIMEOUT_MS);
  const page = await context.newPage();
  const asked: string[] = [];
  const troubles: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  page.on("pageerror", (error) => troubles.push(error.message));
  page.on("console", (message) => {
    if (/Content Security Policy|TrustedHTML/i.test(message.text())) troubles.push(message.text());
  });
  await page.goto(url);
  const verdict = async (...states: string[]) => {
    const wanted = (states.length > 0 ? states : ALL_STATES).map(
      (state) => `#verdict[data-state="${state}"]`,
    );
    const found = page.locator(wanted.join(", "));
    await found.waitFor();
    return (await found.textContent()) ?? "";
  };
  const give = async (content: string | Buffer | object, name = "proof.json") => {
    // What was said of the file before must not be taken for what is said of this one.
    await page.evaluate(() => {
      document.querySelector("#verdict")?.setAttribute("data-state", "waiting");
    });
    const buffer = Buffer.isBuffer(content)
      ? content
      : Buffer.from(typeof content === "string" ? content : JSON.stringify(content));
    await page.locator("#file").setInputFiles({ name, mimeType: "application/json", buffer });
    return verdict();
  };
  return { page, asked, troubles, verdict, give, close: () => context.close() };
}

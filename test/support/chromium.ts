/** Tests that need a real browser: Chromium, Chrome or Edge. */
import { type Browser, chromium } from "playwright-core";
import { describe, inject } from "vitest";
import { canRun } from "./can-run.ts";
// The types of what is provided.
import type {} from "./global-setup.ts";

export const describeWithChromium = describe.runIf(canRun(inject("chromium") !== null, "chromium"));

const START_TIMEOUT_MS = 60_000;
/** Of each step on a page; a busy machine is slow. */
export const STEP_TIMEOUT_MS = 20_000;

/** Headless, with a profile of its own that is gone when it is closed. Only inside `describeWithChromium`. */
export function startChromium(): Promise<Browser> {
  const executablePath = inject("chromium");
  if (executablePath === null) throw new Error("no browser is installed: install the package chromium");
  return chromium.launch({
    executablePath,
    timeout: START_TIMEOUT_MS,
    // A container's /dev/shm may be too small for a browser.
    args: ["--disable-dev-shm-usage"],
  });
}

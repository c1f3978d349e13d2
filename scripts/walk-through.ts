/**
 * Walks through docs/leaving-with-your-tokens.md as it is written: the operator's commands in one shell, Alice's in
 * another, and the operator is gone before those that the page marks `alone`. Only ports and the folder are others, so
 * that two may walk at a time.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "#devstack";
import { fencedBlocks, isAsPrinted } from "./fenced-blocks.ts";

const PAGE = "docs/leaving-with-your-tokens.md";
const [FOLDER, CHAIN_PORT, API_PORT] = ["/tmp/leaving", "18545", "13000"];
const TIMEOUT_MS = 300_000;
/** What the page shows the output of is the last block. */
const LAST_BLOCK = "-- the last block --";
const SERVER = "npm start";

/** @returns what is wrong, or undefined */
export async function walkThrough(): Promise<string | undefined> {
  const folder = mkdtempSync(join(tmpdir(), "anchorbook-leaving-"));
  const [chain, api] = [await freePort(), await freePort()];
  const blocks = fencedBlocks(PAGE).map(({ info, text }) => ({
    info,
    text: text.replaceAll(FOLDER, folder).replaceAll(CHAIN_PORT, `${chain}`).replaceAll(API_PORT, `${api}`),
  }));
  const textOf = (info: string) => blocks.filter((block) => block.info === info).map(({ text }) => text);
  const operator = openShell(operatorScript(textOf("sh operator")));
  try {
    if (!(await isReady(operator))) return `the operator's commands ended:\n${operator.output()}`;
    const alone = textOf("sh alice alone");
    const script = [
      ...[...textOf("sh alice"), endOf(operator), ...alone.slice(0, -1)],
      ...[`echo "${LAST_BLOCK}"`, ...alone.slice(-1)],
    ];
    const alice = openShell(script.join("\n"));
    const code = await alice.ended;
    if (code !== 0) return `Alice's commands ended with code ${code}:\n${alice.output()}`;
    const [, printed = ""] = alice.output().split(`${LAST_BLOCK}\n`);
    const [expected = ""] = textOf("text");
    if (!isAsPrinted(printed, expected)) return `printed\n${printed}\ninstead of\n${expected}`;
    return undefined;
  } finally {
    operator.killAll();
    await operator.ended;
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Shell {
  readonly child: ChildProcess;
  /** Its exit code. */
  readonly ended: Promise<number | null>;
  output(): string;
  /** The shell and what it left running. */
  killAll(): void;
}

function openShell(script: string): Shell {
  const child = spawn("bash", ["-euo", "pipefail", "-c", script], {
    ...{ detached: true, stdio: ["ignore", "pipe", "pipe"], timeout: TIMEOUT_MS },
    env: { ...process.env, LOG_LEVEL: "warn" },
  });
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (chunk: Buffer) => chunks.push(chunk));
  return {
    child,
    ended: once(child, "close").then(([code]) => code as number | null),
    output: () => Buffer.concat(chunks).toString("utf8"),
    killAll() {
      try {
        process.kill(-(child.pid ?? 0), "SIGKILL");
      } catch {
        // Nothing of it runs any more.
      }
    },
  };
}

/** The server in the place of the shell, so that it can be told to end as by Ctrl-C, and the chain goes on. */
function operatorScript(blocks: readonly string[]): string {
  const script = blocks.join("\n");
  if (!script.endsWith(`\n${SERVER}`))
    throw new Error(`${PAGE}: the operator's last command is not ${SERVER}`);
  return `${script.slice(0, -SERVER.length)}exec ${SERVER}`;
}

function isReady({ child, ended, output }: Shell): Promise<boolean> {
  return new Promise((resolve) => {
    child.stdout?.on("data", () => {
      if (/^anchorbook ready /m.test(output())) resolve(true);
    });
    void ended.then(() => resolve(false));
  });
}

/** Commands that end the server and wait until it is gone. */
function endOf({ child: { pid } }: Shell): string {
  return `kill -TERM ${pid}\nwhile kill -0 ${pid} 2> /dev/null; do sleep 0.2; done`;
}

/**
 * Everything that goes wrong on purpose. Which fault, in which round, at which
 * COMMIT or after how many milliseconds is drawn from the seed; how far the
 * servers have come by then is the operating system's doing.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { CutPlace } from "../support/cut-proxy.ts";
import type { Random } from "../support/random.ts";
import type { Books } from "./books.ts";
import type { Server } from "./server.ts";
import type { BreakableRedis } from "./stack.ts";

/** In the order of how they are described in docs/simulation.md. */
export const FAULTS = [
  // A server process, by SIGKILL; the wire knows when a COMMIT passes.
  "kill",
  "kill-before-commit",
  "kill-after-commit",
  "stall-server",
  // The connections between a server and Postgres, and Postgres itself.
  "cut",
  "cut-before-commit",
  "cut-after-commit",
  "cut-late-commit",
  "terminate-backends",
  "crash-postgres",
  // Redis.
  "redis-flush",
  "redis-stale-copy",
  "redis-restart",
  "redis-stall",
  // The ledger's clock.
  "clock-seconds",
  "clock-midnight",
  "clock-days",
  // The clients, who repeat themselves and overtake each other.
  "repeat-later",
  "repeat-at-once",
  "repeat-after-loss",
  "reorder",
] as const;
export type Fault = (typeof FAULTS)[number];

export interface PlannedFault {
  readonly fault: Fault;
  /** Which of the servers. */
  readonly server: number;
  /** At which COMMIT of the round. */
  readonly commit: number;
  readonly delayMs: number;
  readonly seconds: number;
}

const WEIGHTS: readonly (readonly [fault: Fault, weight: number])[] = [
  ...([
    ["kill", 4],
    ["kill-before-commit", 5],
    ["kill-after-commit", 5],
    ["stall-server", 3],
  ] as const),
  ...([
    ["cut", 6],
    ["cut-before-commit", 8],
    ["cut-after-commit", 8],
    ["cut-late-commit", 5],
  ] as const),
  ...([
    ["terminate-backends", 5],
    ["crash-postgres", 3],
  ] as const),
  ...([
    ["redis-flush", 4],
    ["redis-stale-copy", 5],
    ["redis-restart", 2],
    ["redis-stall", 3],
  ] as const),
  ...([
    ["clock-seconds", 20],
    ["clock-midnight", 10],
    ["clock-days", 10],
  ] as const),
];
const DRAWN = WEIGHTS.flatMap(([fault, weight]) => Array<Fault>(weight).fill(fault));
const DAY = 86_400;

export function planFault(random: Random): PlannedFault {
  const fault = random.pick(DRAWN);
  return {
    fault,
    server: random.below(2),
    commit: random.pick([0, 0, 0, 1, 2]),
    delayMs: random.below(12),
    seconds: fault === "clock-days" ? DAY * (1 + random.below(40)) : 1 + random.below(20),
  };
}

export interface Victims {
  readonly books: Books;
  readonly redis: BreakableRedis;
  readonly servers: readonly Server[];
}

/** Does it, while a round is under way. @returns whether it came to be */
export async function inject(
  planned: PlannedFault,
  victims: Victims,
  isOver: Promise<void>,
): Promise<boolean> {
  const { fault, delayMs, seconds } = planned;
  const { books, redis, servers } = victims;
  const server = servers[planned.server % servers.length];
  if (!server) return false;
  switch (fault) {
    case "kill-before-commit":
    case "kill-after-commit":
    case "cut-before-commit":
    case "cut-after-commit":
    case "cut-late-commit":
      return atCommit(planned, server, isOver);
    case "clock-midnight":
      await books.advance(DAY - ((await books.now()) % DAY) - 1 + (seconds % 3));
      return true;
    case "clock-seconds":
    case "clock-days":
      await books.advance(seconds);
      return true;
    case "redis-stale-copy":
      await redis.goBack();
      return true;
    case "redis-flush":
      await redis.flush();
      return true;
    case "redis-restart":
      await redis.restart();
      return true;
    default:
      await pause(delayMs);
      return anyMoment(fault, victims, server);
  }
}

const STALL_MS = 60;

async function anyMoment(fault: Fault, { books, redis }: Victims, server: Server): Promise<boolean> {
  if (server.isDead) return false;
  if (fault === "kill") server.kill();
  else if (fault === "cut") server.proxy.cutAll();
  else if (fault === "terminate-backends") return (await books.terminateServers()) > 0;
  else if (fault === "crash-postgres") return crashPostgres(books);
  else if (fault === "stall-server") {
    server.stall();
    await pause(STALL_MS);
    server.resume();
  } else if (fault === "redis-stall") {
    // Longer than a server waits for Redis.
    await redis.stall(STALL_MS * 4);
  } else throw new Error(`nobody knows how to ${fault}`);
  return true;
}

/** One of its processes dies, so that Postgres ends all of them and recovers from its log. */
async function crashPostgres(books: Books): Promise<boolean> {
  const pid = await books.writerBackend();
  if (pid === undefined) return false;
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    return false; // its client went just then
  }
  return true;
}

/** At the wanted COMMIT that passes the wire to this server's Postgres. */
async function atCommit(
  { fault, commit, delayMs }: PlannedFault,
  server: Server,
  isOver: Promise<void>,
): Promise<boolean> {
  const place: CutPlace = fault.endsWith("before-commit") ? "before-commit" : "after-commit";
  let passed = 0;
  let happened = false;
  server.proxy.atCommit = () => {
    if (passed++ !== commit) return null;
    happened = true;
    if (fault.startsWith("kill")) server.kill();
    if (fault !== "cut-late-commit") return place;
    // About when the writer is back and asks what became of its batch.
    setTimeout(() => server.proxy.release(), 2 * delayMs);
    return "hold";
  };
  await isOver;
  server.proxy.atCommit = () => null;
  server.proxy.release();
  return happened;
}

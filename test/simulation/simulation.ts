/**
 * One seed from its first round to its last check: sends what the generator
 * drew, has the planned faults happen meanwhile, waits until nobody writes, and
 * lets the judge compare. Requests whose answers were lost are asked again in
 * the next round, by the same id and key, until they are answered.
 */
import { createRandom, type Random } from "../support/random.ts";
import { Books } from "./books.ts";
import { type Counts, Coverage } from "./coverage.ts";
import { inject } from "./faults.ts";
import { finalChecks } from "./final-checks.ts";
import { CROWD, Generator, type PlannedRequest, type Round } from "./generator.ts";
import { History } from "./history.ts";
import { Disagreement, Judge, type Sent, show } from "./judge.ts";
import type { Model } from "./model/model.ts";
import type { Answer, ServerOptions } from "./protocol.ts";
import { Server, Standby } from "./server.ts";
import type { Stack } from "./stack.ts";
import { compareState } from "./state.ts";
import { createWorld } from "./world.ts";

export interface SeedResult {
  readonly seed: number;
  readonly steps: number;
  readonly rounds: number;
  /** Lines in the journal. */
  readonly lines: number;
  readonly seconds: number;
  readonly counts: Counts;
}

/** A seed that failed, with what there is to find out why. */
export class SeedFailed extends Error {
  readonly seed: number;
  /** Requests sent until then. */
  readonly step: number;
  /** The last rounds, a JSON text each. */
  readonly log: readonly string[];

  /** @param plan what was to be run */
  constructor(
    { seed, steps, crowd }: { seed: number; steps: number; crowd: number },
    step: number,
    log: readonly string[],
    cause: unknown,
  ) {
    const reason =
      cause instanceof Disagreement ? cause.message : cause instanceof Error ? cause.stack : cause;
    const again = `npm run simulate -- --seed ${seed} --steps ${steps}${crowd === CROWD ? "" : ` --crowd ${crowd}`}`;
    super(`seed ${seed}, step ${step}: ${reason}\n\nAgain: ${again}`, { cause });
    this.seed = seed;
    this.step = step;
    this.log = log;
  }
}

/** Two texts each: what was planned, and what came of it. */
const KEPT_ROUNDS = 400;
const ROUNDS_A_LOOK = 5;
const ANSWER_WITHIN_MS = 60_000;

export interface SeedOptions {
  /** Requests that are sent, repetitions included. */
  readonly steps: number;
  /** Requests in the largest round. Another crowd makes another program of the same seed. */
  readonly crowd?: number;
  readonly onProgress?: (done: number) => void;
}

/** @throws SeedFailed */
export async function simulateSeed(
  stack: Stack,
  seed: number,
  { steps, crowd = CROWD, onProgress = () => {} }: SeedOptions,
): Promise<SeedResult> {
  const simulation = new Simulation(stack, createRandom(seed), crowd);
  const started = performance.now();
  try {
    const { lines, rounds } = await simulation.run(steps, onProgress);
    const seconds = (performance.now() - started) / 1_000;
    return { seed, steps, rounds, lines, seconds, counts: simulation.coverage.counts };
  } catch (error) {
    throw new SeedFailed({ seed, steps, crowd }, simulation.steps, simulation.log, error);
  } finally {
    await simulation.close();
  }
}

class Simulation {
  readonly coverage = new Coverage();
  readonly log: string[] = [];
  steps = 0;
  readonly #stack: Stack;
  readonly #random: Random;
  readonly #crowd: number;
  readonly #standby = new Standby();
  readonly #servers: Server[] = [];
  /** Dead ones, until Postgres has noticed. */
  readonly #dead: Server[] = [];
  #books: Books | null = null;
  #options: readonly Omit<ServerOptions, "name">[] = [];
  #started = 0;
  #askAgain: PlannedRequest[] = [];

  constructor(stack: Stack, random: Random, crowd: number) {
    this.#stack = stack;
    this.#random = random;
    this.#crowd = crowd;
  }

  async run(steps: number, onProgress: (done: number) => void): Promise<{ lines: number; rounds: number }> {
    const random = this.#random;
    const database = await this.#stack.createDatabase();
    const books = new Books(database);
    this.#books = books;
    const { model, accounts, startedAt } = await createWorld(database, books, random);
    const { appUrl: databaseUrl, schema } = database;
    this.#options = Array.from({ length: 1 + random.below(2) }, (_, place) => ({
      ...{ databaseUrl, schema },
      // With little patience a server says that it does not know, where it could have found out.
      patienceMs: random.pick([0, 5_000, 5_000]),
      // One server in four has to do without Redis.
      redisUrl: place === 1 && random.chance(0.5) ? null : this.#stack.redis.url,
      batchWeight: random.pick([8, 30, 4_000]),
      aheadWeight: random.pick([1, 1, 48, Number.POSITIVE_INFINITY]),
      memoryWeight: random.pick([0, 48, 1_000]),
    }));
    for (const place of this.#options.keys()) await this.#open(place);
    const generator = new Generator(random, accounts, startedAt, this.#crowd);
    const judge = new Judge(model, this.coverage);
    const history = new History(books);
    let rounds = 0;
    while (this.steps < steps || this.#askAgain.length > 0) {
      const round = this.steps < steps ? generator.round(steps - this.steps) : nothingMore();
      await this.#play(round, generator, judge, model);
      this.steps += round.requests.length;
      rounds += 1;
      if (rounds % ROUNDS_A_LOOK === 0) await history.look();
      onProgress(this.steps);
    }
    await history.check();
    const lines = await finalChecks(books, model, this.#servers, this.coverage);
    return { lines, rounds };
  }

  async #open(place: number): Promise<void> {
    const options = this.#options[place];
    if (!options) throw new Error(`there is no server ${place}`);
    this.#started += 1;
    const named = { ...options, name: `server-${this.#started}` };
    this.#servers[place] = await Server.open(this.#standby, named, (ways) => this.coverage.batch(ways));
  }

  async #play(round: Round, generator: Generator, judge: Judge, model: Model): Promise<void> {
    const books = this.#books;
    if (!books) throw new Error("there is no ledger");
    const again = this.#askAgain.map((lost) => ({ ...lost, number: generator.nextNumber() }));
    for (const _ of again) this.coverage.fault("repeat-after-loss");
    for (let n = 0; n < round.repeatedLater; n++) this.coverage.fault("repeat-later");
    for (let n = 0; n < round.repeatedAtOnce; n++) this.coverage.fault("repeat-at-once");
    if (round.isReordered) this.coverage.fault("reorder");
    const requests = [...again, ...round.requests];
    // Before anything is sent: what breaks here has to be in the log.
    this.#note({ ...round, requests });
    const { sent, happened } = await this.#send(requests, round, books);
    await this.#settle(books);
    const keys = [...new Set(sent.flatMap(({ request }) => request.key ?? []))];
    const { units, outcomes } = await books.tail(keys);
    this.#note({ happened, sent, units, outcomes: [...outcomes.values()] });
    judge.round(sent, units, outcomes, { ms: Date.now(), now: await books.now() });
    model.ledger.expire(await books.lastExpiry());
    this.#askAgain = requests.filter(
      ({ number, operation }) =>
        operation.kind !== "expire" &&
        sent.some(({ request, answer }) => request.number === number && !answer),
    );
    for (const _ of this.#askAgain) this.coverage.lost();
    await compareState(books, model);
  }

  async #send(requests: readonly PlannedRequest[], round: Round, books: Books) {
    let finish = () => {};
    const isOver = new Promise<void>((done) => {
      finish = done;
    });
    const victims = { books, redis: this.#stack.redis, servers: [...this.#servers] };
    const injected = Promise.all(
      round.faults.map(async (planned) => ({ planned, happened: await inject(planned, victims, isOver) })),
    );
    // Heard below, after the answers.
    injected.catch(() => undefined);
    const sent = await Promise.all(requests.map((request) => this.#ask(request)));
    finish();
    const happened = await injected;
    for (const { planned, happened: did } of happened) if (did) this.coverage.fault(planned.fault);
    return { sent, happened };
  }

  async #ask(planned: PlannedRequest): Promise<Sent> {
    const { server: place, ...request } = planned;
    const server = this.#servers[place % this.#servers.length];
    if (!server) throw new Error("there is no server");
    const sentAtMs = Date.now();
    const answer = await within(server.ask(request), () => `${server.name} never answered ${show(request)}`);
    const isUnknown = answer?.refusal?.code === "unavailable";
    if (isUnknown) this.coverage.refusal("unavailable");
    if (answer?.refusal?.code === "broken")
      throw new Disagreement(`${show(request)} broke: ${answer.refusal.message}`);
    return { request, server: server.name, sentAtMs, answer: isUnknown ? null : answer };
  }

  /** Until nobody writes: dead servers are buried and replaced, and what they and cut connections had sent is done. */
  async #settle(books: Books): Promise<void> {
    const proxies = this.#servers.map(({ proxy }) => proxy);
    for (const [place, server] of this.#servers.entries()) {
      if (!server.isDead) continue;
      await server.exited;
      if (!server.wasKilled) throw new Disagreement(`${server.name} ended by itself`);
      this.#dead.push(server);
      await this.#open(place);
    }
    const abandoned = proxies.flatMap((proxy) => proxy.abandoned());
    // A port that was abandoned may be another server's by now.
    const isTaken = (port: number) => this.#servers.some(({ proxy }) => proxy.connected().includes(port));
    await books.untilGone(() => abandoned.filter((port) => !isTaken(port)));
    for (const proxy of proxies) proxy.forget(abandoned);
    for (const server of this.#dead.splice(0)) await server.close();
  }

  #note(round: object): void {
    this.log.push(show(round));
    if (this.log.length > KEPT_ROUNDS) this.log.shift();
  }

  async close(): Promise<void> {
    for (const server of [...this.#servers, ...this.#dead]) {
      server.kill();
      await server.close();
    }
    await this.#standby.close();
    await this.#books?.close();
  }
}

function nothingMore(): Round {
  return {
    ...{ requests: [], faults: [] },
    ...{ repeatedLater: 0, repeatedAtOnce: 0, isReordered: false },
  };
}

function within(answer: Promise<Answer | null>, sentence: () => string): Promise<Answer | null> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Disagreement(sentence())), ANSWER_WITHIN_MS);
    answer.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

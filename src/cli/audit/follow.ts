/**
 * Runs for ever: audits again and again what is new, tells Prometheus how it
 * goes, and ends at the first lie. A server or a node that is away is no lie; it
 * is counted, said, and asked again.
 */

import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { Counter, Gauge, Registry } from "prom-client";
import type { CommandIo } from "../command.ts";
import { explainError } from "../explain-error.ts";
import type { AuditOptions } from "./audit-options.ts";
import type { Audit, Auditor } from "./run-audit.ts";

/** Longest pause after failures in a row. */
const LONGEST_PAUSE_MS = 300_000;

export interface FollowHooks {
  /** After each run that found all well. */
  onValid?(audit: Audit): Promise<void>;
  /** Told whatever was asked and not answered. */
  onUnreadable(error: unknown): void;
}

/** A run for ever that is stopped by a signal to the process; its metrics are served from the start. */
export interface Following {
  readonly metrics: AuditMetrics;
  /** @returns the audit that found a lie, or null where a signal ended it */
  run(
    auditor: Pick<Auditor, "run">,
    hooks: { readonly onValid: (audit: Audit) => Promise<void>; readonly unreadable: string },
  ): Promise<Audit | null>;
  close(): Promise<void>;
}

export async function startFollowing(
  options: Pick<AuditOptions, "everyMs" | "metricsPort" | "metricsHost">,
  io: CommandIo,
): Promise<Following> {
  const metrics = new AuditMetrics();
  const served = await serveMetrics(metrics, options);
  if (served) io.stderr.write(`metrics at ${served.url}\n`);
  const stop = untilStopped(io);
  return {
    metrics,
    run(auditor, { onValid, unreadable }) {
      const onUnreadable = (error: unknown) => io.stderr.write(`${unreadable}: ${explainError(error)}\n`);
      return follow(auditor, options, metrics, { onValid, onUnreadable }, stop.signal);
    },
    async close() {
      stop.close();
      await served?.close();
    },
  };
}

/** @returns the audit that found a lie, or null where `signal` ended it */
export async function follow(
  auditor: Pick<Auditor, "run">,
  options: Pick<AuditOptions, "everyMs">,
  metrics: AuditMetrics,
  hooks: FollowHooks,
  signal: AbortSignal,
): Promise<Audit | null> {
  for (let failures = 0; !signal.aborted; ) {
    try {
      const audit = await auditor.run();
      metrics.observe(audit);
      if (!audit.valid) return audit;
      await hooks.onValid?.(audit);
      failures = 0;
    } catch (error) {
      failures++;
      metrics.unreadable.inc();
      hooks.onUnreadable(error);
    }
    const pause = Math.min(
      options.everyMs * 2 ** Math.max(0, failures - 1),
      Math.max(LONGEST_PAUSE_MS, options.everyMs),
    );
    await wait(pause, undefined, { signal }).catch(() => undefined);
  }
  return null;
}

export class AuditMetrics {
  readonly registry = new Registry();
  readonly unreadable: Counter;
  readonly #valid: Gauge;
  readonly #epoch: Gauge;
  readonly #lines: Gauge;
  readonly #committed: Gauge;
  readonly #checkedAt: Gauge;
  readonly #stopped: Gauge;

  constructor() {
    const registers = [this.registry];
    const gauge = (name: string, help: string) =>
      new Gauge({ name: `anchorbook_audit_${name}`, help, registers });
    this.#valid = gauge(
      "valid",
      "1 while everything agrees, 0 from the first lie on; absent until the first run ends",
    );
    this.#epoch = gauge("epoch", "Newest epoch that was recomputed and agrees with the chain");
    this.#lines = gauge("lines", "Journal lines replayed, by earlier runs too");
    this.#committed = gauge("committed_lines", "Journal lines of all epochs that the chain has");
    this.#checkedAt = gauge("last_success_timestamp_seconds", "When everything agreed last");
    this.#stopped = gauge("stopped", "1 while a veto or a freeze keeps the book from going on");
    this.unreadable = new Counter({
      name: "anchorbook_audit_unreadable_total",
      help: "Times that the server or the chain could not be read",
      registers,
    });
    // Nothing was found or looked at yet, and 0 would say so.
    for (const unknown of [
      ...[this.#valid, this.#checkedAt, this.#epoch, this.#lines, this.#committed, this.#stopped],
    ])
      unknown.remove();
  }

  /** While a run is under way. */
  progress(lines: bigint, committed: bigint): void {
    this.#lines.set(Number(lines));
    this.#committed.set(Number(committed));
  }

  observe({ valid, epochs, lines, stopped }: Audit): void {
    this.#valid.set(valid ? 1 : 0);
    this.#epoch.set(epochs);
    this.#lines.set(Number(lines));
    if (!valid) return;
    // All of them, also where none was new.
    this.#committed.set(Number(lines));
    this.#stopped.set(stopped === null ? 0 : 1);
    this.#checkedAt.setToCurrentTime();
  }
}

/** @returns the address it is served at, and its end */
async function serveMetrics(
  { registry }: AuditMetrics,
  { metricsPort, metricsHost }: Pick<AuditOptions, "metricsPort" | "metricsHost">,
): Promise<{ url: string; close(): Promise<void> } | null> {
  if (metricsPort === undefined) return null;
  const server: Server = createServer((request, response) => {
    if (request.url !== "/metrics") {
      response.writeHead(404).end();
      return;
    }
    registry.metrics().then(
      (text) => response.writeHead(200, { "content-type": registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  server.listen(metricsPort, metricsHost);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${metricsHost}:${port}/metrics`,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** Ends with the first SIGINT or SIGTERM; the second one ends the process, as ever. */
function untilStopped(io: Pick<CommandIo, "stderr">): { signal: AbortSignal; close(): void } {
  const controller = new AbortController();
  const stop = () => {
    io.stderr.write("stopping\n");
    close();
    controller.abort();
  };
  const close = () => {
    for (const name of ["SIGINT", "SIGTERM"] as const) process.removeListener(name, stop);
  };
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, stop);
  return { signal: controller.signal, close };
}

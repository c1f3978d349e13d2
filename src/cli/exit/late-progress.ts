/** Progress of work that most often is done at once, and sometimes takes minutes: what is quick says nothing. */
import { type Progress, type ProgressStream, startProgress } from "../progress.ts";
import type { OnProgress } from "./leaf-sources.ts";

const QUICK_MS = 2_000;

export interface LateProgress {
  readonly update: OnProgress;
  end(): void;
}

/** @param stream null: nothing is ever said */
export function lateProgress(stream: ProgressStream | null): LateProgress {
  const startedAt = performance.now();
  let current: { what: string; progress: Progress } | undefined;
  const end = () => {
    current?.progress.end(`${current.what}: read`);
    current = undefined;
  };
  return {
    end,
    update(what, done, total) {
      if (!stream || performance.now() - startedAt < QUICK_MS) return;
      if (current?.what !== what) end();
      current ??= { what, progress: startProgress(stream, what, total, done) };
      current.progress.update(done);
    },
  };
}

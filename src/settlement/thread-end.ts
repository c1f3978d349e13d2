/**
 * Threads end by themselves when they are told to, behind what they were given before. `terminate` would take the whole
 * process down where it comes while a thread still loads its modules: V8 cannot be stopped between two that await
 * (github.com/nodejs/node/issues/60755).
 */
import type { Worker } from "node:worker_threads";

/** In place of a job: the last message to a thread, which closes its port then. */
export const END = null;

/** Call it where the thread is started. @returns tells it to end, and answers when it has */
export function endingOf(worker: Worker): () => Promise<void> {
  const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
  return () => {
    worker.postMessage(END);
    return ended;
  };
}

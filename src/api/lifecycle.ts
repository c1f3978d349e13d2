/**
 * Whether the process is still taking work. One object shared by the app (which
 * then answers `Connection: close`), `/readyz` (which then fails) and the server
 * that is being closed.
 */
export interface Lifecycle {
  isDraining(): boolean;
  /** Aborted when the drain begins: for answers that would not end by themselves. */
  readonly draining: AbortSignal;
  beginDrain(): void;
}

export function createLifecycle(): Lifecycle {
  const drain = new AbortController();
  return {
    isDraining: () => drain.signal.aborted,
    draining: drain.signal,
    beginDrain: () => drain.abort(),
  };
}

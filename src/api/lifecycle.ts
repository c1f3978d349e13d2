/**
 * Whether the process is still taking work. One object shared by the app (which
 * then answers `Connection: close`), `/readyz` (which then fails) and the server
 * that is being closed.
 */
export interface Lifecycle {
  isDraining(): boolean;
  beginDrain(): void;
}

export function createLifecycle(): Lifecycle {
  let draining = false;
  return {
    isDraining: () => draining,
    beginDrain: () => {
      draining = true;
    },
  };
}

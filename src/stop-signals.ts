/**
 * The wish to stop, wherever it comes from: SIGTERM, Ctrl-C, a closed terminal,
 * or the end of the process that started us. A second signal means "at once".
 */

export interface StopSignals {
  /** The reason, once there is one. */
  readonly reason: string | undefined;
  /** Settles with the reason. */
  readonly requested: Promise<string>;
}

/** npm and the terminal may each deliver the same Ctrl-C; only a later one is a second wish. */
const SAME_WISH_MS = 1_000;
const SIGNAL_EXIT_CODE = 130;

/** @param force called at a second wish; must end the process */
export function listenForStop(force: (exitCode: number) => void): StopSignals {
  let reason: string | undefined;
  let since = 0;
  let resolve: (reason: string) => void = () => {};
  const requested = new Promise<string>((done) => {
    resolve = done;
  });
  const wish = (why: string) => {
    if (reason === undefined) {
      reason = why;
      since = performance.now();
      resolve(why);
    } else if (performance.now() - since > SAME_WISH_MS) {
      force(SIGNAL_EXIT_CODE);
    }
  };
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => wish(signal));
  process.on("disconnect", () => wish("the process that started this one has ended"));
  return {
    get reason() {
      return reason;
    },
    requested,
  };
}

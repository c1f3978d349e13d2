/** A baseline that is a server: a child process that says its port, and ends with us. */
import { fork } from "node:child_process";
import { once } from "node:events";

export interface BaselineServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** @throws Error where it ends before it says its port */
export async function startBaseline(
  file: URL,
  env: Readonly<Record<string, string>>,
): Promise<BaselineServer> {
  const child = fork(file, {
    env: { ...process.env, NODE_ENV: "production", ...env },
  });
  const exited = once(child, "exit");
  const port = await new Promise<number>((fulfil, reject) => {
    child.once("message", (message: { port: number }) => fulfil(message.port));
    exited.then(([code, signal]) => reject(new Error(`${file.pathname} ended with ${code ?? signal}`)));
  });
  return {
    port,
    async stop() {
      child.kill("SIGTERM");
      await exited;
    },
  };
}

/** Ports on 127.0.0.1. A server that keeps its port over restarts lets tools keep their settings. */
import { createServer } from "node:net";

/** A port that is free now: `preferred` where it is. */
export async function freePort(preferred?: number): Promise<number> {
  if (preferred !== undefined && (await bind(preferred)) !== undefined) return preferred;
  const port = await bind(0);
  if (port === undefined) throw new Error("no free port on 127.0.0.1");
  return port;
}

function bind(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      const bound = typeof address === "object" && address ? address.port : undefined;
      server.close(() => resolve(bound));
    });
  });
}

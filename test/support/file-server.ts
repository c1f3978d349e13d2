/** Serves the files of a folder on a free port, like a web server that knows nothing of what they are. */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

export interface FileServer {
  readonly url: string;
  close(): Promise<void>;
}

/** @param status what it answers instead, by path and how often that was asked for before; null: the file */
export async function serveFiles(
  folder: string,
  status: (path: string, before: number) => number | null = () => null,
): Promise<FileServer> {
  const asked = new Map<string, number>();
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://127.0.0.1");
    const before = asked.get(pathname) ?? 0;
    asked.set(pathname, before + 1);
    const other = status(pathname, before);
    const file = other === null ? await readFile(join(folder, pathname)).catch(() => null) : null;
    if (file) response.writeHead(200).end(file);
    else response.writeHead(other ?? 404).end("<html>nothing here</html>");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

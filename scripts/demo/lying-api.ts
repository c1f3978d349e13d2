/**
 * A server that lies: passes every request on to the real API and changes one
 * byte of one answer. What a dishonest operator could publish without touching
 * the chain.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface Lie {
  /** Says whether this path's answer is the one to change. */
  readonly path: (url: URL) => boolean;
  /** Changes one byte, or answers the same text where the byte is not in it. */
  readonly change: (body: string) => string;
}

export interface LyingApi {
  readonly url: string;
  /** How many answers were changed. */
  lies(): number;
  close(): Promise<void>;
}

/** Listens on a free port of 127.0.0.1. */
export async function startLyingApi(api: string, lie: Lie): Promise<LyingApi> {
  let lies = 0;
  const server = createServer((request, response) => {
    void (async () => {
      const url = new URL(request.url ?? "/", api);
      const answer = await fetch(url, {
        headers: request.headers.authorization ? { authorization: request.headers.authorization } : {},
      });
      const honest = await answer.text();
      const told = lie.path(url) ? lie.change(honest) : honest;
      if (told !== honest) lies += 1;
      response.writeHead(answer.status, {
        "content-type": answer.headers.get("content-type") ?? "application/json",
      });
      response.end(told);
    })().catch(() => response.destroy());
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    lies: () => lies,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}

/** Another digit in the place of the first one of a member's value: one byte. */
export function changeDigit(line: string, member: string): string {
  return line.replace(
    new RegExp(`("${member}":")(\\d)`),
    (_, before: string, digit: string) => `${before}${digit === "9" ? "8" : Number(digit) + 1}`,
  );
}

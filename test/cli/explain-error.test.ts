/** What a command says of errors that others word for programs. */
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it } from "vitest";
import { connectChain } from "#infra";
import { explainError } from "../../src/cli/explain-error.ts";

/** What is said of a node that treats every question so. @returns it with HOST for the node's */
async function saidOfNode(answers: RequestListener, requestTimeoutMs?: number): Promise<string> {
  const server = createServer(answers);
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const rpcUrl = `http://name:word@${host}/key`;
  const chain = await connectChain({ rpcUrl, chainId: 31_337n, requestTimeoutMs });
  try {
    const said = explainError(await chain.provider.getBlockNumber().catch((failed: unknown) => failed));
    expect(said).not.toMatch(/name|word|key/);
    return said.replaceAll(host, "HOST");
  } finally {
    chain.close();
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  }
}

it("names a node that takes a question and never answers, without its key", async () => {
  expect(await saidOfNode(() => undefined, 100)).toBe(
    "the chain's node at HOST did not answer in time; is it running, and is the address right?",
  );
});

it("names a node that answers otherwise than nodes do, without its key", async () => {
  expect(await saidOfNode((_, response) => response.writeHead(403).end())).toBe(
    "the chain's node at HOST answers with a failure: server response 403 Forbidden",
  );
});

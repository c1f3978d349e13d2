/** What a command says of errors that others word for programs. */
import { createServer } from "node:net";
import { expect, it } from "vitest";
import { connectChain } from "#infra";
import { explainError } from "../../src/cli/explain-error.ts";

it("says of a node that takes a question and never answers that it does not answer", async () => {
  const sockets = new Set<{ destroy(): void }>();
  const silent = createServer((socket) => sockets.add(socket));
  await new Promise<void>((listening) => silent.listen(0, "127.0.0.1", listening));
  const { port } = silent.address() as { port: number };
  const chain = await connectChain({
    ...{ rpcUrl: `http://127.0.0.1:${port}`, chainId: 31_337n, requestTimeoutMs: 100 },
  });
  try {
    const error = await chain.provider.getBlockNumber().catch((failed: unknown) => failed);
    expect(explainError(error)).toBe(
      "the chain's node did not answer in time; is it running, and is the address right?",
    );
  } finally {
    chain.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((closed) => silent.close(closed));
  }
});

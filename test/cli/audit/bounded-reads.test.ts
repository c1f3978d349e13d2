/** A server that never ends, or is too long in one breath: whoever audits it stops reading and says so. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ApiSource } from "../../../src/cli/audit/api-source.ts";
import { CutOff, MOST_JSON_BYTES, MOST_LINE_CHARS } from "../../../src/cli/audit/bounded-reads.ts";

let server: Server;
let url: string;
/** What is sent again and again, for ever. */
let sends = "";
/** Before that, whole answers. */
const first: string[] = [];
beforeAll(async () => {
  server = createServer((_, response) => {
    const answer = first.shift();
    if (answer !== undefined) return response.end(answer);
    const endless = Readable.from(forever());
    response.writeHead(200).on("close", () => endless.destroy());
    endless.pipe(response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

function* forever(): Generator<string> {
  for (;;) yield sends;
}

async function readAll(lines: AsyncIterable<unknown>): Promise<number> {
  let batches = 0;
  for await (const _ of lines) batches++;
  return batches;
}

describe("a server that goes on for ever", () => {
  it("is not read behind the journal lines that were asked for", async () => {
    sends = "a line\n".repeat(20);
    await expect(readAll(new ApiSource({ api: url, answerSeconds: 60 }).journal(5n, 400n))).rejects.toThrow(
      "is served on behind line 399, the last that was asked for",
    );
  });

  it("is not read where a line has no end", async () => {
    sends = "x".repeat(1_000);
    const says = `has a line of more than ${MOST_LINE_CHARS} characters`;
    await expect(readAll(new ApiSource({ api: url, answerSeconds: 60 }).journal(0n, 10n))).rejects.toThrow(
      says,
    );
    sends = `${"x".repeat(MOST_LINE_CHARS + 1)}\n`;
    await expect(readAll(new ApiSource({ api: url, answerSeconds: 60 }).journal(0n, 10n))).rejects.toThrow(
      says,
    );
  });

  it("is not read where an answer has no end", async () => {
    sends = " ".repeat(1_000_000);
    await expect(new ApiSource({ api: url, answerSeconds: 60 }).contracts()).rejects.toThrow(
      `${url}/api/v1/settlement/contracts answered with more than ${MOST_JSON_BYTES} bytes`,
    );
  });
});

describe("an answer that ends in the middle of a line", () => {
  it("goes on with that line, and is a failure where it always does, not a lie", async () => {
    first.push("one\ntw", "two\nthree\n");
    const lines: string[] = [];
    for await (const batch of new ApiSource({ api: url, answerSeconds: 60 }).journal(0n, 3n))
      lines.push(...batch);
    expect(lines).toEqual(["one", "two", "three"]);
    first.push(...Array<string>(4).fill("on"));
    await expect(readAll(new ApiSource({ api: url, answerSeconds: 60 }).journal(0n, 3n))).rejects.toThrow(
      CutOff,
    );
    expect(first).toEqual([]);
  });
});

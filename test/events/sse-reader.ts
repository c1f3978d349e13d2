/** Reads server-sent events as the standard says, by a few lines of its own; over fetch, so that it can be cut. */

export interface SseMessage {
  readonly id: string;
  readonly type: string;
  readonly data: Record<string, unknown>;
}

export interface SseReader {
  readonly status: number;
  readonly headers: Headers;
  readonly messages: SseMessage[];
  /** Comments seen. */
  comments: number;
  /** What a browser would send as `Last-Event-ID`. */
  lastId: string;
  /** Settles with "end" where the server ended the stream, "cut" where it broke. */
  readonly ended: Promise<"end" | "cut">;
  cut(): void;
}

/** @throws Error with the problem document where the answer is no stream */
export async function openSse(url: string, headers: Record<string, string>): Promise<SseReader> {
  const control = new AbortController();
  const response = await fetch(url, {
    headers: { accept: "text/event-stream", ...headers },
    signal: control.signal,
  });
  if (!response.ok || !response.body) throw new Error(`${response.status} ${await response.text()}`);
  const reader: { -readonly [M in keyof SseReader]: SseReader[M] } = {
    ...{ status: response.status, headers: response.headers, messages: [], comments: 0 },
    lastId: headers["last-event-id"] ?? "",
    ended: Promise.resolve("end"),
    cut: () => control.abort(),
  };
  reader.ended = readAll(response.body, reader);
  return reader;
}

async function readAll(
  body: ReadableStream<Uint8Array>,
  into: { messages: SseMessage[]; comments: number; lastId: string },
): Promise<"end" | "cut"> {
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for await (const chunk of body) {
      const blocks = (rest + decoder.decode(chunk, { stream: true })).split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) take(block, into);
    }
    return "end";
  } catch {
    return "cut";
  }
}

function take(block: string, into: { messages: SseMessage[]; comments: number; lastId: string }): void {
  let type = "message";
  let data: string | undefined;
  for (const line of block.split("\n")) {
    const [, field = "", value = ""] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    if (field === "") into.comments += 1;
    if (field === "id") into.lastId = value;
    if (field === "event") type = value;
    if (field === "data") data = value;
  }
  if (data !== undefined) into.messages.push({ id: into.lastId, type, data: JSON.parse(data) });
}

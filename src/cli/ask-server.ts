/** Questions to a server, each with an end: one that takes a question and never answers is told of, and not waited for. */

/** Nothing came for so long. Asking again at once would only be more of the same. */
export class NoAnswer extends Error {
  constructor(base: string, seconds: number) {
    super(
      `the server at ${base} gave no answer in ${seconds} s. Look whether it is well (its log, ${base}/readyz), name another by --api or ANCHORBOOK_API, or wait longer: ANCHORBOOK_TIMEOUT_SECONDS`,
    );
    this.name = "NoAnswer";
  }
}

/** Nobody takes the question, or not as a server does. */
export class NoServer extends Error {
  /** Whether one may be there in a moment. */
  readonly isPassing: boolean;

  constructor(base: string, error: unknown) {
    // What came back is no HTTP, as of a database.
    const isOther = error instanceof Error && (error.cause as Error | undefined)?.name === "HTTPParserError";
    const nobody = `no server answers at ${base} (${causeOf(error)}). Start one with npm start, or name another by --api or ANCHORBOOK_API`;
    super(isOther ? noAnchorbookAt(base) : nobody, { cause: error });
    this.name = "NoServer";
    this.isPassing = !isOther;
  }
}

/** What `fetch` hides. */
export function causeOf(error: unknown): string {
  return error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
}

/** @param status of its answer, where that says something */
export function noAnchorbookAt(base: string, status?: number): string {
  const said = status === undefined || status < 400 ? "" : ` (it answers ${status})`;
  return `what answers at ${base} does not look like an Anchorbook server${said}. Name one by --api or ANCHORBOOK_API`;
}

/** Whether it is none of an Anchorbook server, whatever was asked: those are JSON, and refusals name their error. */
export function isOfAnother({ ok }: Pick<Response, "ok">, body: unknown): boolean {
  const { error, jsonrpc } = Object(body) as { error?: unknown; jsonrpc?: unknown };
  return ok ? Object(body) !== body || jsonrpc !== undefined : typeof error !== "string";
}

export interface Answer {
  readonly response: Response;
  /** Its body as it comes. @throws NoAnswer; what `fetch` throws where the connection ends */
  readonly pieces: AsyncIterable<Uint8Array>;
}

/** What `fetch` waits for by itself: until a connection is there, and for an answer. */
const CONNECT_SECONDS = 10;
const LONGEST_SECONDS = 300;
/** Closing an epoch, waiting for one and making a ledger take minutes where other answers take seconds. */
const WORK_FACTOR = 5;

/** How long a server is waited for that has to work for its answer. @param seconds for other answers */
export function workSeconds(seconds: number): number {
  return Math.min(WORK_FACTOR * seconds, LONGEST_SECONDS);
}

/**
 * @param seconds without a word: until the answer begins, and then between its pieces
 * @throws NoAnswer, NoServer
 */
export async function askServer(
  base: string,
  path: string,
  init: RequestInit,
  seconds: number,
): Promise<Answer> {
  const silence = new AbortController();
  const within = async <T>(work: Promise<T>): Promise<T> => {
    const timer = setTimeout(() => silence.abort(), seconds * 1_000);
    try {
      return await work;
    } catch (error) {
      const waited = silence.signal.aborted ? seconds : waitedByItself(error);
      throw waited === null ? error : new NoAnswer(base, waited);
    } finally {
      clearTimeout(timer);
    }
  };
  const asked = within(fetch(`${base}${path}`, { ...init, signal: silence.signal }));
  const response = await asked.catch((error: unknown) => {
    throw error instanceof NoAnswer ? error : new NoServer(base, error);
  });
  return { response, pieces: piecesOf(response, within) };
}

/** How long `fetch` waited before it gave up; null where it is something else that went wrong. */
function waitedByItself(error: unknown): number | null {
  const { code } = (error instanceof Error ? (error.cause ?? {}) : {}) as { code?: unknown };
  if (code === "UND_ERR_CONNECT_TIMEOUT") return CONNECT_SECONDS;
  return code === "UND_ERR_HEADERS_TIMEOUT" || code === "UND_ERR_BODY_TIMEOUT" ? LONGEST_SECONDS : null;
}

async function* piecesOf(
  { body }: Response,
  within: <T>(work: Promise<T>) => Promise<T>,
): AsyncGenerator<Uint8Array> {
  if (!body) return;
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await within(reader.read());
      if (done) return;
      yield value;
    }
  } finally {
    // Whoever reads no further lets the connection go.
    await reader.cancel().catch(() => undefined);
  }
}

export async function textOf(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of pieces) text += decoder.decode(piece, { stream: true });
  return text + decoder.decode();
}

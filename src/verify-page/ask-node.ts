/**
 * Asks the one node that the person chose, and tells apart a node that answers
 * from one that cannot be reached: not being answered proves nothing.
 */
import type { AskNode } from "#verifier";

const TIMEOUT_MS = 15_000;

export interface ChosenNode {
  readonly ask: AskNode;
  /** Why the node could not be asked, or null while every question was answered. */
  readonly trouble: () => string | null;
}

/** @returns what is wrong with an address, or the address */
export function readNodeAddress(text: string): { url: URL } | { why: string } {
  let url: URL;
  try {
    url = new URL(text.trim());
  } catch {
    return { why: "Write a whole address, such as http://127.0.0.1:8545." };
  }
  if (url.protocol !== "http:" && url.protocol !== "https:")
    return { why: "The address must begin with http:// or https://." };
  if (url.username !== "" || url.password !== "")
    return { why: "A page may not send a name and password in an address. Use one without them." };
  return { url };
}

export function chooseNode(url: URL, signal: AbortSignal): ChosenNode {
  let trouble: string | null = null;
  let id = 0;
  const failed = (why: string): Error => {
    trouble ??= why;
    return new Error(why);
  };
  return {
    trouble: () => trouble,
    ask: async (method, params) => {
      id += 1;
      const body = JSON.stringify({ jsonrpc: "2.0", id, method, params });
      const answer = await post(url, body, signal).catch((error: unknown) => {
        throw failed(error instanceof Error ? error.message : "it did not answer");
      });
      if (answer.error)
        throw failed(`it refused the question ${method}: ${answer.error.message ?? "no reason given"}`);
      if (answer.result === undefined) throw failed(`its answer to ${method} is no JSON-RPC`);
      return answer.result;
    },
  };
}

interface RpcAnswer {
  readonly result?: unknown;
  readonly error?: { readonly message?: string } | null;
}

async function post(url: URL, body: string, signal: AbortSignal): Promise<RpcAnswer> {
  let response: Response;
  try {
    response = await fetch(url, {
      ...{ method: "POST", body, headers: { "content-type": "application/json" } },
      ...{ credentials: "omit", cache: "no-store", referrerPolicy: "no-referrer" },
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
  } catch (error) {
    throw new Error(unreached(url, error));
  }
  try {
    const answer: unknown = await response.json();
    if (typeof answer === "object" && answer !== null) return answer;
  } catch {
    // said below
  }
  throw new Error(`it answered with status ${response.status} and no JSON; is this the address of a node?`);
}

function unreached(url: URL, error: unknown): string {
  if (error instanceof DOMException && error.name === "TimeoutError")
    return `it did not answer within ${TIMEOUT_MS / 1000} seconds`;
  if (location.protocol === "https:" && url.protocol === "http:")
    return "a page that came over https may not ask a node over plain http; use an https address, or open this page from your disk";
  return "there was no answer; is the address right, does the node run, and does it allow pages to ask it (CORS)?";
}

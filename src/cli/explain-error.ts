/** What went wrong, in words for whoever typed the command: errors of the system and of ethers say it in their own. */
import { existsSync } from "node:fs";
import { dirname } from "node:path";

/** @returns one sentence, without calldata */
export function explainError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, path, shortMessage, nodeHost } = error as NodeJS.ErrnoException & {
    readonly shortMessage?: unknown;
    readonly nodeHost?: string;
  };
  const node = nodeHost === undefined ? "the chain's node" : `the chain's node at ${nodeHost}`;
  if (code === "ENOENT" && path !== undefined) {
    const folder = dirname(path);
    return existsSync(folder) ? `there is no file ${path}` : `there is no folder ${folder}`;
  }
  if (code === "EISDIR") return `${path ?? "that"} is a folder, and a file is needed`;
  if (code === "ENOTDIR" && path !== undefined) return `${path} is below a file, and not below a folder`;
  if (code === "EACCES" && path !== undefined) return `this user may not use ${path}`;
  if (code === "TIMEOUT") return `${node} did not answer in time; is it running, and is the address right?`;
  if (code === "SERVER_ERROR" && typeof shortMessage === "string")
    return `${node} answers with a failure: ${shortMessage}`;
  const refused = callNotCarriedOut(error);
  if (refused !== null) return refused;
  return typeof shortMessage === "string" ? shortMessage : error.message;
}

/** ethers calls it a refusal of the contract that brings no data; the node says what it was. */
function callNotCarriedOut(error: Error): string | null {
  const { code, data, info } = error as {
    code?: unknown;
    data?: unknown;
    info?: { error?: { message?: unknown } };
  };
  const said = info?.error?.message;
  if (code !== "CALL_EXCEPTION" || data !== null || typeof said !== "string") return null;
  return `the node did not carry out a call: ${said.slice(0, 300)}`;
}

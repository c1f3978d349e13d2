/**
 * ethers' provider, with two things more. What says that the node does not answer, or not as a node does, has its host as
 * `nodeHost`: there may be several. And a call of a contract that the node could not carry out, such as one as of a newest
 * block that it has just left behind for the next one, is asked again. To ethers that is a call that failed without a word
 * ("missing revert data"), as if the contract had refused. What a contract did refuse is not asked again.
 */
import { setTimeout as wait } from "node:timers/promises";
import { isError, JsonRpcProvider } from "ethers";
import { isRevert } from "./json-rpc.ts";

const CARRIED_OUT = new Set(["eth_call", "eth_estimateGas"]);
const ATTEMPTS = 5;
const FIRST_PAUSE_MS = 50;

export class AskingProvider extends JsonRpcProvider {
  override async send(method: string, params: unknown[] | Record<string, unknown>): Promise<unknown> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await super.send(method, params);
      } catch (error) {
        // Not its whole URL, which may carry a key.
        if (isError(error, "TIMEOUT") || isError(error, "SERVER_ERROR"))
          Object.assign(error, { nodeHost: new URL(this._getConnection().url).host });
        if (!CARRIED_OUT.has(method) || attempt === ATTEMPTS || !isOfTheNode(error)) throw error;
        await wait(FIRST_PAUSE_MS * 2 ** (attempt - 1));
      }
    }
  }
}

/** Whether the node failed, and not the contract. */
function isOfTheNode(error: unknown): boolean {
  if (!isError(error, "CALL_EXCEPTION") || error.data !== null) return false;
  const answered: unknown = error.info?.error;
  return typeof answered === "object" && answered !== null && !isRevert(answered);
}

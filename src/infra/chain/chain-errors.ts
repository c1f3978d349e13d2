/** What errors of the chain client mean: the node is away, or a contract refused and why. */
import { dataLength, dataSlice, type ErrorFragment, type Interface, isError } from "ethers";
import { contractArtifact } from "./contract-artifacts.ts";

/** The node cannot be reached or does not answer; trying again later can help. */
export class ChainUnavailable extends Error {
  constructor(rpcUrl: string, cause: unknown) {
    super(`no chain answers at ${hostOf(rpcUrl)}`, { cause });
    this.name = "ChainUnavailable";
  }
}

/** It takes questions and answers none, or takes none: whoever asks again waits again. */
export class ChainSilent extends ChainUnavailable {
  constructor(rpcUrl: string, cause: unknown) {
    super(rpcUrl, cause);
    this.name = "ChainSilent";
  }
}

/** Something answers there, and not as nodes do. */
export class NoNode extends ChainUnavailable {
  /** @param status of its answer, where it was one */
  constructor(rpcUrl: string, cause: unknown, status = 200) {
    super(rpcUrl, cause);
    const said = status < 400 ? "" : ` (it answers ${status})`;
    this.message = `what answers at ${hostOf(rpcUrl)} does not look like a node of a chain: it speaks no JSON-RPC${said}`;
    this.name = "NoNode";
  }
}

/** The node answers, but with a failure of its own: what was asked is not known. */
export class NodeFailed extends ChainUnavailable {
  constructor(cause: Error) {
    super("", cause);
    this.message = cause.message;
    this.name = "NodeFailed";
  }
}

/** The node contradicts itself, or answers what cannot be. */
export class ChainInconsistent extends Error {
  constructor(what: string) {
    super(`the node contradicts itself: ${what}`);
    this.name = "ChainInconsistent";
  }
}

/** A contract's custom error, by name, with its arguments in order; without them where the node cut them off. */
export interface ContractRefusal {
  readonly name: string;
  readonly args: readonly unknown[];
}

const CONNECTION_CODES = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);

export function isChainUnavailable(error: unknown): boolean {
  if (error instanceof ChainUnavailable) return true;
  if (isError(error, "SERVER_ERROR") || isError(error, "TIMEOUT") || isError(error, "NETWORK_ERROR"))
    return true;
  if (typeof error !== "object" || error === null) return false;
  return "code" in error && CONNECTION_CODES.has(String(error.code));
}

export function isChainSilent(error: unknown): boolean {
  return error instanceof ChainSilent || isError(error, "TIMEOUT");
}

/** What came back is no answer of such a contract; of an address without code it is nothing at all. */
export function isUndecodable(error: unknown): boolean {
  return isError(error, "BAD_DATA");
}

const SELECTOR_BYTES = 4;

/** The custom error that a refused call or gas estimate carries; null where the error is something else. */
export function contractRefusal(error: unknown): ContractRefusal | null {
  const data = revertData(error);
  // A revert without a reason has no error's selector.
  if (data === null || dataLength(data) < SELECTOR_BYTES) return null;
  for (const name of ["SettlementRegistry", "SettlementVault", "TST"] as const) {
    const { abi } = contractArtifact(name);
    const custom = abi.getError(dataSlice(data, 0, SELECTOR_BYTES));
    if (custom) return { name: custom.name, args: argumentsOf(abi, custom, data) };
  }
  return null;
}

function argumentsOf(abi: Interface, custom: ErrorFragment, data: string): readonly unknown[] {
  try {
    return [...abi.decodeErrorResult(custom, data)];
  } catch {
    return [];
  }
}

function revertData(error: unknown): string | null {
  return isError(error, "CALL_EXCEPTION") ? error.data : null;
}

/** Without user, password and path: RPC URLs often carry keys. */
function hostOf(rpcUrl: string): string {
  return URL.canParse(rpcUrl) ? new URL(rpcUrl).host : "the configured address";
}

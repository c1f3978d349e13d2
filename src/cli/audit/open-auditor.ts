/** An auditor as options describe it: nodes connected, the state loaded and held. */
import { type Chain, connectChain, lockFolder } from "#infra";
import { ApiSource } from "./api-source.ts";
import type { AuditOptions } from "./audit-options.ts";
import { AuditState } from "./audit-state.ts";
import type { Node } from "./nodes.ts";
import { Auditor, type AuditRequest } from "./run-audit.ts";

export interface OpenAuditor {
  readonly auditor: Auditor;
  readonly nodes: readonly Node[];
  close(): Promise<void>;
}

export type Reporters = Pick<AuditRequest, "onCheck" | "onProgress">;

/** @throws Error where the chain does not answer, or the state is damaged, of another book, or in use */
export async function openAuditor(
  options: AuditOptions,
  reporters: Reporters & Pick<AuditRequest, "vouches">,
): Promise<OpenAuditor> {
  const { api, ledger, asset, answerSeconds, registry, trust, depth, state: folder } = options;
  const ends: (() => unknown)[] = [];
  const close = async () => {
    for (const end of ends.splice(0).toReversed()) await end();
  };
  try {
    // Two that write one state would each undo what the other learned.
    if (folder !== undefined) {
      const lock = lockFolder(folder);
      ends.push(() => lock.release());
    }
    const state = folder === undefined ? null : await AuditState.load(folder);
    const urls = options.rpcs.length > 0 ? options.rpcs : [await new ApiSource(options).rpcUrl()];
    const nodes: Node[] = [];
    for (const rpcUrl of urls) {
      const chain: Chain = await connectChain({ rpcUrl });
      ends.push(() => chain.close());
      nodes.push({ name: nameOf(rpcUrl, urls), chain });
    }
    const served = { api, ledger, asset, answerSeconds };
    const request = { nodes, ...served, registry, trust, depth, folder, ...reporters };
    return { auditor: new Auditor(request, state), nodes, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** URLs of nodes often carry keys: only the host is shown. */
function nameOf(url: string, all: readonly string[]): string {
  const { host } = new URL(url);
  const same = all.filter((other) => new URL(other).host === host);
  return same.length > 1 ? `RPC ${all.indexOf(url) + 1} (${host})` : host;
}

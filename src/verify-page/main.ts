/**
 * The page: takes a proof file, shows what the verifier finds, and asks a node
 * only when told to. What is given later replaces what was given before, also
 * while that is still being read or asked about.
 */
import {
  type Check,
  conclude,
  FormatError,
  type ProofDocument,
  parseProof,
  type Verification,
  verifyOnChain,
  verifyProof,
} from "#verifier";
import { chooseNode, readNodeAddress } from "./ask-node.ts";
import { byId, element } from "./elements.ts";
import { chainVerdict, offlineVerdict, unreadable, type Verdict } from "./explain.ts";
import { readDocument } from "./read-document.ts";
import { chainSteps, offlineSteps } from "./steps.ts";

const page = {
  drop: byId("drop", HTMLDivElement),
  file: byId("file", HTMLInputElement),
  pasteForm: byId("paste-form", HTMLFormElement),
  paste: byId("paste", HTMLTextAreaElement),
  verdict: byId("verdict", HTMLDivElement),
  ask: byId("ask", HTMLElement),
  askForm: byId("ask-form", HTMLFormElement),
  rpc: byId("rpc", HTMLInputElement),
  rpcError: byId("rpc-error", HTMLParagraphElement),
  knownRegistry: byId("registry", HTMLInputElement),
  registryError: byId("registry-error", HTMLParagraphElement),
  chainSteps: byId("chain-steps", HTMLOListElement),
  work: byId("work", HTMLElement),
  steps: byId("steps", HTMLOListElement),
};

/** What is on the page: a proof that holds, or null. */
let shown: ProofDocument | null = null;
/** Ends whatever is under way for what was given before. */
let current = new AbortController();

// So that the same file, mended, can be chosen again.
page.file.addEventListener("click", () => {
  page.file.value = "";
});
page.file.addEventListener("change", () => {
  const [file] = page.file.files ?? [];
  if (file) void check(file);
});
page.pasteForm.addEventListener("submit", (event) => {
  event.preventDefault();
  void check(page.paste.value);
});
page.askForm.addEventListener("submit", (event) => {
  event.preventDefault();
  void askChain();
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  page.drop.classList.add("over");
});
document.addEventListener("dragleave", () => page.drop.classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  page.drop.classList.remove("over");
  const [file] = event.dataTransfer?.files ?? [];
  const text = event.dataTransfer?.getData("text/plain");
  if (file) void check(file);
  else if (text) void check(text);
});

async function check(source: Blob | string): Promise<void> {
  const signal = begin();
  const reading = await readDocument(source);
  if (signal.aborted) return;
  if (!reading.ok) return showOffline(unreadable(reading.why), null, null);
  const verification = verifyProof(reading.document);
  const proof = parsed(reading.document);
  showOffline(offlineVerdict(verification, proof), proof, verification);
}

function begin(): AbortSignal {
  current.abort();
  current = new AbortController();
  return current.signal;
}

function parsed(document: unknown): ProofDocument | null {
  try {
    return parseProof(document);
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

function showOffline(verdict: Verdict, proof: ProofDocument | null, verification: Verification | null): void {
  shown = verification?.valid ? proof : null;
  page.steps.replaceChildren(...(proof && verification ? offlineSteps(proof, verification.checks) : []));
  page.work.hidden = proof === null;
  page.chainSteps.replaceChildren();
  page.ask.hidden = shown === null;
  tell(verdict);
}

async function askChain(): Promise<void> {
  if (!shown) return;
  const proof = shown;
  const node = readNodeAddress(page.rpc.value);
  complain(page.rpc, page.rpcError, "why" in node ? node.why : "");
  const pinned = pinnedCheck(proof, page.knownRegistry.value.trim());
  complain(page.knownRegistry, page.registryError, typeof pinned === "string" ? pinned : "");
  if ("why" in node) return page.rpc.focus();
  if (typeof pinned === "string") return page.knownRegistry.focus();
  const signal = begin();
  page.chainSteps.replaceChildren();
  tell({ state: "valid", headline: "Asking the node …", sentences: [] });
  const { ask, trouble } = chooseNode(node.url, signal);
  const checks = [...pinned, ...(await verifyOnChain(proof, ask))];
  if (signal.aborted) return;
  page.chainSteps.replaceChildren(...(trouble() === null ? chainSteps(checks) : []));
  tell(chainVerdict(conclude(checks).checks, proof, trouble(), pinned.length > 0));
}

/** @returns what is wrong with the address, or the check that it makes */
function pinnedCheck(proof: ProofDocument, registry: string): readonly Check[] | string {
  if (registry === "") return [];
  if (!/^0x[0-9a-fA-F]{40}$/.test(registry)) return "An address is 0x and 40 hexadecimal digits.";
  const ok = registry.toLowerCase() === proof.registry;
  const detail = ok ? registry : `the proof is of registry ${proof.registry}, you named ${registry}`;
  return [{ name: "pinned_registry", ok, detail }];
}

function complain(input: HTMLInputElement, message: HTMLElement, why: string): void {
  message.textContent = why;
  if (why === "") input.removeAttribute("aria-invalid");
  else input.setAttribute("aria-invalid", "true");
}

function tell({ state, headline, sentences }: Verdict): void {
  page.verdict.dataset.state = state;
  page.verdict.replaceChildren(
    element("p", { class: "headline" }, [headline]),
    ...sentences.map((sentence) => element("p", {}, [sentence])),
  );
}

/**
 * The page: takes a proof file, shows what the verifier finds, and asks a node
 * only when told to. What is given later replaces what was given before, also
 * while that is still being read or asked about.
 */
import { isLineProof, type NoteKey, parseVerifierKey, type Verification, verifyCheckpoint } from "#verifier";
import { chooseNode, readNodeAddress } from "./ask-node.ts";
import { byId, element } from "./elements.ts";
import { chainVerdict, signatureVerdict, unreadable, type Verdict } from "./explain.ts";
import { readDocument } from "./read-document.ts";
import { answerSteps } from "./steps.ts";
import { type Given, givenLine, givenPosition } from "./subjects.ts";

const page = {
  drop: byId("drop", HTMLDivElement),
  file: byId("file", HTMLInputElement),
  pasteForm: byId("paste-form", HTMLFormElement),
  paste: byId("paste", HTMLTextAreaElement),
  verdict: byId("verdict", HTMLDivElement),
  ask: byId("ask", HTMLElement),
  askWhy: byId("ask-why", HTMLParagraphElement),
  askForm: byId("ask-form", HTMLFormElement),
  rpc: byId("rpc", HTMLInputElement),
  rpcError: byId("rpc-error", HTMLParagraphElement),
  registryLabel: byId("registry-label", HTMLLabelElement),
  registryHelp: byId("registry-help", HTMLParagraphElement),
  knownRegistry: byId("registry", HTMLInputElement),
  registryError: byId("registry-error", HTMLParagraphElement),
  chainSteps: byId("chain-steps", HTMLOListElement),
  sign: byId("sign", HTMLElement),
  signForm: byId("sign-form", HTMLFormElement),
  logKey: byId("log-key", HTMLInputElement),
  logKeyError: byId("log-key-error", HTMLParagraphElement),
  signSteps: byId("sign-steps", HTMLOListElement),
  work: byId("work", HTMLElement),
  steps: byId("steps", HTMLOListElement),
};

/** What is on the page: a proof that holds, or null. */
let shown: Given | null = null;
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
onSubmit(page.pasteForm, () => check(page.paste.value));
onSubmit(page.askForm, askChain);
onSubmit(page.signForm, checkSignature);
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

function onSubmit(form: HTMLFormElement, act: () => Promise<void>): void {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void act();
  });
}

async function check(source: Blob | string): Promise<void> {
  const signal = begin();
  const reading = await readDocument(source);
  if (signal.aborted) return;
  if (!reading.ok) return showOffline(null, unreadable(reading.why));
  const given = isLineProof(reading.document) ? givenLine(reading.document) : givenPosition(reading.document);
  showOffline(given, given.verdict);
}

function begin(): AbortSignal {
  current.abort();
  current = new AbortController();
  return current.signal;
}

function showOffline(given: Given | null, verdict: Verdict): void {
  shown = given?.valid ? given : null;
  page.steps.replaceChildren(...(given?.steps ?? []));
  page.work.hidden = page.steps.children.length === 0;
  page.chainSteps.replaceChildren();
  page.signSteps.replaceChildren();
  page.ask.hidden = shown === null;
  page.sign.hidden = shown?.note === undefined;
  if (shown) {
    page.askWhy.textContent = shown.words.why;
    page.registryLabel.textContent = shown.words.registry;
    page.registryHelp.textContent = shown.words.registryHelp;
  }
  tell(verdict);
}

async function askChain(): Promise<void> {
  if (!shown) return;
  const given = shown;
  const node = readNodeAddress(page.rpc.value);
  complain(page.rpc, page.rpcError, "why" in node ? node.why : "");
  const registry = page.knownRegistry.value.trim();
  const wrong = wrongRegistry(registry, given.needsRegistry);
  complain(page.knownRegistry, page.registryError, wrong);
  if ("why" in node) return page.rpc.focus();
  if (wrong !== "") return page.knownRegistry.focus();
  const signal = begin();
  page.chainSteps.replaceChildren();
  tell({ state: "valid", headline: "Asking the node …", sentences: [] });
  const { ask, trouble } = chooseNode(node.url, signal);
  const found = await given.askChain(registry.toLowerCase(), ask);
  if (signal.aborted) return;
  page.chainSteps.replaceChildren(...(trouble() === null ? answerSteps(found.checks) : []));
  const whose =
    registry === ""
      ? "The registry is the proof's own word: compare its address with one that you know from elsewhere."
      : "The registry is the one you named.";
  tell(chainVerdict(found, given.subject, trouble(), whose));
}

function wrongRegistry(registry: string, isNeeded: boolean): string {
  if (registry === "" && !isNeeded) return "";
  return /^0x[0-9a-fA-F]{40}$/.test(registry) ? "" : "An address is 0x and 40 hexadecimal digits.";
}

async function checkSignature(): Promise<void> {
  const note = shown?.note;
  if (!shown || note === undefined) return;
  const { subject } = shown;
  let key: NoteKey;
  try {
    key = parseVerifierKey(page.logKey.value.trim());
  } catch {
    complain(page.logKey, page.logKeyError, "A key is its name, a +, its id, a + and its bytes in base64.");
    return page.logKey.focus();
  }
  complain(page.logKey, page.logKeyError, "");
  const signal = begin();
  let found: Verification;
  try {
    found = await verifyCheckpoint(note, { logKeys: [key], witnesses: [], quorum: 0 });
  } catch {
    const why = "This browser cannot check such signatures (Ed25519). The command anchorbook log verify can.";
    return complain(page.logKey, page.logKeyError, why);
  }
  if (signal.aborted) return;
  page.signSteps.replaceChildren(...answerSteps(found.checks));
  tell(signatureVerdict(found, subject));
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

/** Compiles contracts of a test's own with the compiler of the real ones, fast. */
import { createRequire } from "node:module";
import { SOLC_VERSION, solidityTestSettings } from "../../scripts/solidity-settings.ts";

interface Compiler {
  version(): string;
  compile(input: string): string;
}

export interface CompiledContract {
  readonly abi: string[];
  readonly evm: { readonly bytecode: { readonly object: string } };
}

interface Output {
  errors?: { severity: string; formattedMessage: string }[];
  contracts: Record<string, Record<string, CompiledContract>>;
}

/** @returns the contracts of `source`, by name */
export function compileSolidity(source: string): Readonly<Record<string, CompiledContract>> {
  const solc = createRequire(import.meta.url)("solc") as Compiler;
  if (!solc.version().startsWith(`${SOLC_VERSION}+`)) throw new Error(`solc is ${solc.version()}`);
  const input = {
    language: "Solidity",
    sources: { "test.sol": { content: source } },
    settings: { ...solidityTestSettings, outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } } },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input))) as Output;
  const failed = output.errors?.filter(({ severity }) => severity === "error") ?? [];
  if (failed.length > 0) throw new Error(failed.map(({ formattedMessage }) => formattedMessage).join("\n"));
  return output.contracts["test.sol"] ?? {};
}

/**
 * What was typed behind a command, read by Node's `parseArgs`. What is wrong with it is said in words of our own, one way for
 * all commands; and a number below zero goes to whatever reads the option or the argument, which knows what it should be.
 */
import { type ParseArgsConfig, type ParseArgsOptionsConfig, parseArgs } from "node:util";
import { UsageError } from "./command.ts";

type Config = ParseArgsConfig & { readonly args: string[]; readonly options: ParseArgsOptionsConfig };

const BELOW_ZERO = /^-\.?\d/;

/** @throws UsageError that names the option or the argument */
export function readArgs<T extends Config>(config: T): ReturnType<typeof parseArgs<T>> {
  const args = numbersAsValues(config);
  const refusal = refusalOf({ ...config, args });
  if (refusal !== null) throw new UsageError(refusal);
  return parseArgs({ ...config, args });
}

/** `--name -5` as `--name=-5`, and `-5` for itself behind everything else: an option is what Node would take it for. */
function numbersAsValues({ args, options }: Config): string[] {
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  const before: string[] = [];
  const numbers: string[] = [];
  for (const arg of args.slice(0, end)) {
    const last = before.at(-1) ?? "";
    if (!BELOW_ZERO.test(arg)) before.push(arg);
    else if (takesValue(last, options)) before[before.length - 1] = `${last}=${arg}`;
    else numbers.push(arg);
  }
  const behind = [...numbers, ...args.slice(end + 1)];
  return end === args.length && behind.length === 0 ? before : [...before, "--", ...behind];
}

function takesValue(arg: string, options: ParseArgsOptionsConfig): boolean {
  return arg.startsWith("--") && options[arg.slice(2)]?.type === "string";
}

function refusalOf(config: Config): string | null {
  const { options, allowPositionals = false } = config;
  const { tokens } = parseArgs({ ...config, strict: false, allowPositionals: true, tokens: true });
  for (const token of tokens) {
    if (token.kind === "positional" && !allowPositionals) return `"${token.value}" is one argument too many`;
    if (token.kind === "positional" && token.value === "") return "an argument is empty";
    if (token.kind !== "option") continue;
    const { name, rawName, value, inlineValue } = token;
    const type = Object.hasOwn(options, name) ? options[name]?.type : undefined;
    if (type === undefined) return `there is no option ${rawName}`;
    if (type === "boolean" && value !== undefined) return `${rawName} takes no value`;
    const isOption = inlineValue === false && value !== "-" && value?.startsWith("-");
    if (type === "string" && (value === undefined || isOption)) return `${rawName} needs a value`;
    // As of a variable that is not set.
    if (type === "string" && value === "") return `${rawName} is empty, and needs a value`;
  }
  return null;
}

/**
 * A reporter of vitest that writes what came out as JSON to the file that FAILURES_FILE names: vitest's own JSON does not
 * say whether something failed beside the tests.
 */
import { writeFileSync } from "node:fs";
import type { Reporter, SerializedError, TestModule } from "vitest/node";

export interface TestRun {
  readonly files: readonly TestFile[];
  /** What nobody caught: whose fault it is cannot be told. */
  readonly uncaught: readonly string[];
}

export interface TestFile {
  /** Relative to the repository. */
  readonly name: string;
  readonly passed: number;
  readonly failed: readonly Failure[];
  /** Names of those that did not run. */
  readonly notRun: readonly string[];
}

export interface Failure {
  /** Of the test; null for the file itself, which did not load. */
  readonly test: string | null;
  readonly why: string;
}

export default class FailuresReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    const run: TestRun = { files: modules.map(fileOf), uncaught: errors.map(textOf) };
    writeFileSync(process.env.FAILURES_FILE ?? "", JSON.stringify(run));
  }
}

function fileOf(module: TestModule): TestFile {
  const tests = [...module.children.allTests()];
  const ended = (state: string) => tests.filter((test) => test.result().state === state);
  const failed = ended("failed").map((test) => ({
    test: test.fullName,
    why: (test.result().errors ?? []).map(textOf).join("\n"),
  }));
  // What fails outside of its tests: while it loads, or in a hook.
  const suites = [module, ...module.children.allSuites()];
  const outside = suites
    .flatMap((suite) => suite.errors())
    .map((error) => ({ test: null, why: textOf(error) }));
  return {
    name: module.relativeModuleId,
    passed: ended("passed").length,
    failed: [...failed, ...outside],
    notRun: [...ended("skipped"), ...ended("pending")].map((test) => test.fullName),
  };
}

function textOf({ message, stack }: { readonly message?: string; readonly stack?: string }): string {
  return stack?.includes(message ?? "") ? stack : [message, stack].filter(Boolean).join("\n");
}

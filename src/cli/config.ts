/** `anchorbook config`: the settings as the server would use them, secrets masked. */
import { ConfigError, describeConfig, loadServerConfig } from "#config";
import { asUsage, type Command, EXIT_FAILED, EXIT_OK } from "./command.ts";
import { readArgs } from "./read-args.ts";

const HELP = `Usage: anchorbook config [--json]

Prints the effective settings: the environment, a .env file in this folder, and
the defaults. Secrets are masked. Where a setting cannot be used it says why.

  --json      print { "NAME": "value", … }
  -h, --help  print this

Exit code: 0 the settings can be used, 1 they cannot, 2 bad usage.
`;

export const configCommand: Command = {
  name: "config",
  summary: "print the effective settings, secrets masked",
  help: HELP,
  async run(args, io) {
    const options = { json: { type: "boolean", default: false } } as const;
    const { json } = asUsage(() => readArgs({ args: [...args], options })).values;
    try {
      const settings = describeConfig(loadServerConfig(io.env));
      const width = Math.max(...settings.map(({ name }) => name.length));
      const text = json
        ? JSON.stringify(Object.fromEntries(settings.map(({ name, value }) => [name, value])), null, 2)
        : settings.map(({ name, value }) => `${name.padEnd(width)}  ${value}`).join("\n");
      io.stdout.write(`${text}\n`);
      return EXIT_OK;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      io.stderr.write(`${error.message}\n`);
      return EXIT_FAILED;
    }
  },
};

import { type Protocol, type ProtocolOption, protocols } from "../../lib/backends/mod.ts";
import type { Param, ParamProtocol, ParamType } from "../../lib/shell/command/command.ts";
import {
  duration,
  fingerprints,
  number,
  oneOf,
  type Secret,
  secret,
  text,
  toggle,
} from "../../lib/shell/command/param_types.ts";

/** The protocols' own parameters, with the types they would have if they were written out here. */
type OptionRow = (typeof protocols)[number]["options"][number];
type ProtocolParams = {
  readonly [O in OptionRow as O["name"]]: {
    readonly type: ParamType<O extends { readonly values: readonly (infer V)[] } ? V : OptionValues[O["kind"]]>;
    readonly help: string;
    readonly aliases: readonly string[];
    readonly protocols: readonly ParamProtocol[];
  };
};

interface OptionValues {
  readonly text: string;
  readonly list: readonly string[];
  readonly toggle: boolean;
  readonly number: number;
  readonly duration: number;
  readonly secret: Secret;
}

const rows: readonly Protocol[] = protocols;

/** A name of a protocol, as -Protocol takes it. */
export const protocolName: ParamType<string> = oneOf(...rows.flatMap((row) => row.names));

/** Returns the parameters of all protocols: one that several have stands once, with the help of each. */
export function protocolParams(): ProtocolParams {
  const params: Record<string, Param<unknown>> = {};
  for (const { options, names } of rows) {
    for (const option of options) {
      const protocols = [...params[option.name]?.protocols ?? [], { names, help: option.help }];
      params[option.name] = {
        type: toParamType(option),
        help: joinHelp(protocols),
        aliases: option.aliases ?? [],
        protocols,
      };
    }
  }
  return params as unknown as ProtocolParams;
}

/** Returns the help of a parameter for all its protocols: one text if they share it, otherwise one for each. */
function joinHelp(protocols: readonly ParamProtocol[]): string {
  const texts = Map.groupBy(protocols, (protocol) => protocol.help);
  const [only] = texts.keys();
  if (texts.size === 1 && only !== undefined) return only;
  return Array.from(texts, ([help, those]) => `${those.map(({ names }) => names[0]).join(", ")}: ${help}`).join(" ");
}

function toParamType(option: ProtocolOption): Param<unknown>["type"] {
  if (option.values !== undefined) return oneOf(...option.values);
  switch (option.kind) {
    case "text":
      return text;
    case "list":
      return fingerprints;
    case "toggle":
      return toggle;
    case "number":
      return number(1, 1_000_000);
    case "duration":
      return duration;
    case "secret":
      return secret;
    default:
      return option.kind satisfies never;
  }
}

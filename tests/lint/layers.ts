/**
 * The arrows as a lint plugin: who may import whom (`one-way`), where the world may be touched (`world-at-edges`), where neither clock
 * nor chance nor environment may be asked (`replayable`), and no state that a module keeps for itself. Tests may import anything.
 */

const stages = ["common", "scan", "plan", "guards", "confirm", "apply", "history", "lock", "trash"].map((name) =>
  `lib/sync/${name}`
);
const shellParts = ["command", "parse", "bind", "run"].map((name) => `lib/shell/${name}`);
const forProtocols = ["lib/core", "lib/net", "lib/backends/shared"];
/** One row a protocol. */
const protocolArrows: Readonly<Record<string, readonly string[]>> = {
  "lib/backends/local": forProtocols,
  "lib/backends/memory": forProtocols,
  "lib/backends/sftp": [...forProtocols, "lib/ssh", "lib/ssh/system"],
  "lib/backends/ftp": [...forProtocols, "lib/backends/ftp/formats"],
  "lib/backends/webdav": [...forProtocols, "lib/http"],
  "lib/backends/s3": [...forProtocols, "lib/http", "lib/machine"],
  "lib/backends/gcs": [...forProtocols, "lib/http", "lib/backends/s3"],
};
const protocols = Object.keys(protocolArrows);
const forStages = ["lib/core", "lib/sync/common"];
const forCommands = [
  ...["lib/core", "lib/machine", "lib/backends/mod.ts", "lib/session", "lib/report", "cmd/shared"],
  ...["lib/sync", ...stages, ...shellParts],
];

/** Folder (its files, not what lies deeper) → the folders and single files it may import beside itself. A folder without a row is refused. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  "lib/core": [],
  "lib/machine": ["lib/core"],
  "lib/net": ["lib/core"],
  "lib/report": ["lib/core"],
  "lib/http": ["lib/core", "lib/net"],
  "lib/ssh": ["lib/core", "lib/net", "lib/machine"],
  "lib/ssh/system": ["lib/core", "lib/net", "lib/ssh"],
  "lib/backends/shared": ["lib/core", "lib/net"],
  "lib/backends/layers": forProtocols,
  ...protocolArrows,
  "lib/backends/ftp/formats": ["lib/core"],
  "lib/backends": ["lib/core", "lib/backends/layers", ...protocols],
  "lib/session": ["lib/core", "lib/machine", "lib/backends", "lib/backends/layers"],
  "lib/sync/common": ["lib/core"],
  "lib/sync/scan": forStages,
  "lib/sync/plan": forStages,
  "lib/sync/guards": forStages,
  "lib/sync/confirm": forStages,
  "lib/sync/history": [...forStages, "lib/machine"],
  "lib/sync/lock": ["lib/core", "lib/machine"],
  "lib/sync/trash": [...forStages, "lib/machine"],
  "lib/sync/apply": [...forStages, "lib/sync/trash"],
  "lib/sync": ["lib/core", ...stages],
  "lib/shell/command": ["lib/core"],
  "lib/shell/parse": ["lib/core"],
  "lib/shell/bind": ["lib/core", "lib/shell/command"],
  "lib/shell/run": ["lib/core", "lib/shell/command", "lib/shell/parse", "lib/shell/bind"],
  "cmd/shared": [...forCommands, "deno.json"],
  "cmd": forCommands,
};
/** What may be imported of a protocol's folder from outside of it. */
const protocolDoors = ["mod.ts", "options.ts"];
/** Where npm packages may be imported; layers_test.ts sees to it that each has one file. */
const npmFolders = ["lib/net", "lib/http", "lib/ssh", "lib/report", "lib/backends/shared", ...protocols];

const edgeFolders = [
  "lib/machine",
  "lib/net",
  "lib/http",
  "lib/ssh",
  "lib/ssh/system",
  "lib/backends",
  "lib/backends/layers",
  "lib/backends/shared",
  ...protocols,
];
const edgeFiles = [
  "cmd/main.ts",
  "cmd/shared/terminal.ts",
  "lib/session/state_folder.ts",
  "lib/sync/history/file.ts",
  "lib/sync/history/sealed_file.ts",
  "lib/sync/lock/local_lock.ts",
  "lib/sync/lock/owner.ts",
  "lib/sync/trash/disk.ts",
  "lib/sync/trash/index_file.ts",
  "lib/sync/trash/trash_path.ts",
];
const pureModules = ["path", "crypto", "util", "buffer", "stream"];
const worldNames = ["Deno", "process", "globalThis", "fetch", "WebSocket", "Worker", "localStorage"];

/** Here not even an edge asks for them: they come as parameters, so that a run can be simulated, crashed and replayed. */
const replayedFolders = ["lib/sync", ...stages, ...shellParts];
const clockNames = ["setTimeout", "setInterval", "setImmediate", "performance", "Temporal"];
const clockModules = /^node:(timers|perf_hooks)\b/;
const chances = /^(Date\.now|Math\.random|AbortSignal\.timeout|crypto\.(getRandomValues|random\w+)|\w+\.env)$/;
const chanceImports = /^(getRandomValues|random\w+|webcrypto)$/;

export default {
  name: "layers",
  rules: {
    "one-way": rule((file) => layered(file), (file, refuse) =>
      onImport((from) => {
        const why = wrongArrow(file, from);
        if (why !== undefined) refuse(from.node, why);
      })),
    "world-at-edges": rule((file) => layered(file) && !isEdge(file), (_file, refuse) => ({
      ...onImport(({ node, specifier }) => {
        const [scheme, name] = specifier.split(/[:/]/);
        if (scheme !== "node" || pureModules.includes(name ?? "")) return;
        refuse(node, `Only an edge imports ${specifier}: take what it gives as a parameter.`);
      }),
      Identifier(node) {
        if (!worldNames.includes(node.name) || isLabel(node)) return;
        refuse(node, `Only an edge uses ${node.name}: take what it gives as a parameter.`);
      },
    })),
    "replayable": rule((file) => replayedFolders.includes(folderOf(file)), (_file, refuse) => {
      const refuseNamed = (node: Deno.lint.Node, name: string) =>
        refuse(node, `${name} cannot be replayed: take time, chance and environment as parameters.`);
      return {
        ...onImport(({ node, specifier }) => {
          if (clockModules.test(specifier)) refuseNamed(node, specifier);
        }),
        ImportSpecifier(node) {
          const name = node.imported.type === "Identifier" ? node.imported.name : node.imported.value;
          if (chanceImports.test(name)) refuseNamed(node, name);
        },
        Identifier(node) {
          if (clockNames.includes(node.name) && !isLabel(node)) refuseNamed(node, node.name);
        },
        MemberExpression(node) {
          if (node.object.type !== "Identifier" || node.property.type !== "Identifier") return;
          const name = `${node.object.name}.${node.property.name}`;
          if (chances.test(name)) refuseNamed(node, name);
        },
        NewExpression(node) {
          if (isDate(node.callee) && node.arguments.length === 0) refuseNamed(node, "new Date()");
        },
        CallExpression(node) {
          if (isDate(node.callee)) refuseNamed(node, "Date()");
        },
      };
    }),
    "no-default-export": rule((file) => file !== "tests/lint/layers.ts", (_file, refuse) => {
      const refuseDefault = (node: Deno.lint.Node) => refuse(node, "Export by name, not as the default.");
      return {
        ExportDefaultDeclaration: refuseDefault,
        ExportSpecifier(node) {
          if (node.exported.type === "Identifier" && node.exported.name === "default") refuseDefault(node);
        },
      };
    }),
    "no-module-state": rule(() => true, (_file, refuse) => ({
      VariableDeclaration(node) {
        const owner = node.parent.type === "ExportNamedDeclaration" ? node.parent.parent : node.parent;
        if (owner.type !== "Program" || node.kind === "const") return;
        refuse(node, "A module keeps no state: let a value with an owner hold it.");
      },
    })),
  },
} satisfies Deno.lint.Plugin;

type Refuse = (node: Deno.lint.Node, message: string) => void;

/** A rule for the project's files that `applies` picks; the path it sees is relative to the project, with "/". */
function rule(
  applies: (file: string) => boolean,
  visit: (file: string, refuse: Refuse) => Deno.lint.LintVisitor,
): Deno.lint.Rule {
  return {
    create(context) {
      const file = projectPath(context.filename);
      if (file === undefined || !applies(file)) return {};
      return visit(file, (node, message) => context.report({ node, message }));
    },
  };
}

interface Import {
  readonly node: Deno.lint.Node;
  /** "" where it is not a literal. */
  readonly specifier: string;
}

/** Every way to name another module: import, re-export, import() and import("…") as a type. */
function onImport(visit: (from: Import) => void): Deno.lint.LintVisitor {
  return {
    ImportDeclaration: (node) => visit({ node, specifier: node.source.value }),
    ExportAllDeclaration: (node) => visit({ node, specifier: node.source.value }),
    ExportNamedDeclaration(node) {
      if (node.source !== null) visit({ node, specifier: node.source.value });
    },
    ImportExpression: (node) => visit({ node, specifier: literal(node.source) }),
    TSImportType: (node) => visit({ node, specifier: literal(node.argument) }),
  };
}

function literal(node: Deno.lint.Node): string {
  if (node.type === "TSLiteralType") return literal(node.literal);
  return node.type === "Literal" && typeof node.value === "string" ? node.value : "";
}

function wrongArrow(file: string, { specifier }: Import): string | undefined {
  const folder = folderOf(file);
  const allowed = arrows[folder];
  if (allowed === undefined) {
    return `The folder ${folder} has no row in the arrows: use one of ${Object.keys(arrows).join(", ")}.`;
  }
  if (specifier.startsWith("node:")) return undefined;
  if (specifier.startsWith("npm:")) {
    return npmFolders.includes(folder) ? undefined : `npm packages are imported in ${npmFolders.join(", ")} only.`;
  }
  if (!specifier.startsWith(".")) return `Import by a relative path, node: or npm:, not "${specifier}".`;
  const to = new URL(specifier, `file:///${file}`).pathname.slice(1);
  const folderThere = folderOf(to);
  if (folderThere === folder) return undefined;
  if (!allowed.includes(to) && !allowed.includes(folderThere)) {
    return `${file} must not import ${to}: ${folder} imports ${allowed.join(", ") || "nothing"}.`;
  }
  if (!protocols.includes(folderThere) || protocolDoors.some((door) => to === `${folderThere}/${door}`)) {
    return undefined;
  }
  return `${file} must not import ${to}: of a protocol only ${protocolDoors.join(" and ")} may be imported.`;
}

/** Is the identifier a name after a dot or before a colon rather than a use of the global? */
function isLabel(node: Deno.lint.Identifier): boolean {
  const { parent } = node;
  if (parent.type === "MemberExpression") return !parent.computed && sameRange(parent.property, node);
  if (parent.type === "Property") return !parent.shorthand && !parent.computed && sameRange(parent.key, node);
  const key: Deno.lint.Node | undefined = "key" in parent ? parent.key : undefined;
  return key !== undefined && sameRange(key, node);
}

function isDate(callee: Deno.lint.Node): boolean {
  return callee.type === "Identifier" && callee.name === "Date";
}

function sameRange(a: Deno.lint.Node, b: Deno.lint.Node): boolean {
  return a.range[0] === b.range[0] && a.range[1] === b.range[1];
}

function layered(file: string): boolean {
  return file.startsWith("lib/") || file.startsWith("cmd/");
}

function isEdge(file: string): boolean {
  return edgeFolders.includes(folderOf(file)) || edgeFiles.includes(file);
}

/** Relative to the project's root, undefined outside of it. */
function projectPath(filename: string): string | undefined {
  const root = decodeURIComponent(new URL("../../", import.meta.url).pathname);
  const path = filename.replaceAll("\\", "/").replace(/^(?=[A-Za-z]:)/, "/");
  return path.startsWith(root) ? path.slice(root.length) : undefined;
}

function folderOf(file: string): string {
  return file.slice(0, Math.max(0, file.lastIndexOf("/")));
}

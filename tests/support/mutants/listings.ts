import type { Mutant } from "./list.ts";

const corpusTest = "tests/unit/backends/ftp/listing_corpus_test.ts";
const listTest = "tests/unit/backends/ftp/listing_parser_test.ts";
const factsTest = "tests/unit/backends/ftp/mlsd_parser_test.ts";
const endToEnd = "tests/e2e/ftp/listing_test.ts";

/** Of what FTP listings tell. */
export const mutantsOfListings: readonly Mutant[] = [
  {
    name: "a new file is written over one in a line that cannot be read",
    file: "lib/backends/ftp/write.ts",
    old: 'if (!session.hasMlst && context.options.expect === "absent") {',
    new: 'if (!session.hasMlst && context.options.expect !== "absent") {',
    tests: ["tests/e2e/ftp/incomplete_test.ts"],
  },
  {
    name: "a blank in a fact begins the name",
    file: "lib/backends/ftp/mlsd_parser.ts",
    old: 'const end = isBare ? 0 : line.indexOf("; ") + 1;',
    new: 'const end = isBare ? 0 : line.indexOf(" ");',
    tests: [factsTest, endToEnd],
  },
  {
    name: "a name in doubt is taken",
    file: "lib/backends/ftp/mlsd_parser.ts",
    old: "if (parsed === undefined || parsed.isAmbiguous) return undefined;",
    new: "if (parsed === undefined) return undefined;",
    tests: [factsTest],
  },
  {
    name: "a value that is free text never casts doubt",
    file: "lib/backends/ftp/mlsd_parser.ts",
    old: '(isFree && name.includes("; "))',
    new: "false",
    tests: [factsTest],
  },
  {
    name: "more facts are a name",
    file: "lib/backends/ftp/mlsd_parser.ts",
    old: 'isAmbiguous: beginsWithFact(name) || (isFree && name.includes("; "))',
    new: 'isAmbiguous: isFree && name.includes("; ")',
    tests: [factsTest],
  },
  {
    name: "a fact that comes twice is taken",
    file: "lib/backends/ftp/mlsd_parser.ts",
    old: "!isFactName(key) || facts.has(key) || (!isFree",
    new: "!isFactName(key) || (!isFree",
    tests: [factsTest],
  },
  {
    name: "a line that is not understood is dropped",
    file: "lib/backends/ftp/listing_parser.ts",
    old: "if (unread > 0) entries.push(opaqueLines({ lines: this.#unread, count: unread }, this.#settings.dir));",
    new: "",
    tests: [listTest, endToEnd],
  },
  {
    name: "a folder with lines that cannot be read is a whole one",
    file: "lib/backends/ftp/listing_parser.ts",
    old: "    incomplete: true,\n",
    new: "",
    tests: [listTest, corpusTest],
  },
  {
    name: "lines of two kinds are read in one listing",
    file: "lib/backends/ftp/listing_parser.ts",
    old: "(parsed.shape ?? this.#shape) !== (this.#shape ?? parsed.shape)",
    new: "parsed.shape === this.#held",
    tests: [corpusTest],
  },
  {
    name: "a date that may be read in two ways is taken",
    file: "lib/backends/ftp/formats/dos.ts",
    old: 'const isCertain = days.length === 1 || half !== "" || days[0] === days[1];',
    new: "const isCertain = days.length > 0;",
    tests: [corpusTest],
  },
  {
    name: "a time without a day is taken for one of that day",
    file: "lib/backends/ftp/formats/unix_date.ts",
    old: 'const timeStep = words.time === "" ? DAY :',
    new: 'const timeStep = words.time === " " ? DAY :',
    tests: [corpusTest, listTest],
  },
  {
    name: "the name of a month that means two is one of them",
    file: "lib/backends/ftp/formats/months.ts",
    old: "for (const form of ambiguous) found.delete(form);",
    new: "",
    tests: [corpusTest],
  },
  {
    name: "a line that may be a link and cannot be read is none",
    file: "lib/backends/ftp/linked_folders.ts",
    old: "links.has(serverPath) || mayBeUnread(doubtful, rawName(serverPath))",
    new: "links.has(serverPath)",
    tests: ["tests/unit/backends/ftp/linked_folders_test.ts"],
  },
  {
    name: "a lone bare name is a sum",
    file: "lib/backends/ftp/listing_parser.ts",
    old: 'if (isBare) this.#addUnread(this.#header ?? "");',
    new: "",
    tests: [listTest],
  },
  {
    name: "the name of a link ends at its first arrow",
    file: "lib/backends/ftp/formats/unix.ts",
    old: "return end > 0 && rest.startsWith(ARROW, end) ? rest.slice(0, end) : undefined;",
    new: "return rest.slice(0, first);",
    tests: [listTest, corpusTest],
  },
  {
    name: "a name that comes twice is the last one",
    file: "lib/backends/ftp/listing_parser.ts",
    old: "before === undefined ? entry : {",
    new: "entry.kind !== undefined ? entry : {",
    tests: [listTest],
  },
];

import type { Mutant } from "./list.ts";

const listTest = "tests/unit/backends/ftp/listing_parser_test.ts";
const factsTest = "tests/unit/backends/ftp/mlsd_parser_test.ts";
const foldersTest = "tests/unit/backends/ftp/linked_folders_test.ts";
const abilitiesTest = "tests/unit/backends/ftp/abilities_test.ts";
const hostileTest = "tests/unit/backends/ftp/hostile_test.ts";
const linkTest = "tests/unit/backends/ftp/control_connection_test.ts";
const mlsdTimesTest = "tests/unit/backends/ftp/mlsd_times_test.ts";
const noReplyTest = "tests/unit/backends/ftp/no_reply_test.ts";
const resumeTest = "tests/unit/backends/ftp/resume_test.ts";
const unlinkTest = "tests/unit/sync/apply/unlink_test.ts";
const endToEnd = "tests/e2e/ftp/listing_test.ts";

/** Of what FTP listings tell, of links that look like folders, of times and of bounds. */
export const mutantsOfFtp: readonly Mutant[] = [
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
    old: "if (unread > 0) entries.push(opaqueLines(this.#unreadable, this.#settings.dir));",
    new: "",
    tests: [listTest, endToEnd],
  },
  {
    name: "a listing of another format is an empty one",
    file: "lib/backends/ftp/listing_parser.ts",
    old: "if (unread > this.#parsedCount) throw this.#unknownFormat();",
    new: "",
    tests: [listTest],
  },
  {
    name: "a lone bare name is a sum",
    file: "lib/backends/ftp/listing_parser.ts",
    old: 'if (isBare) this.#unreadable.push(this.#header ?? "");',
    new: "",
    tests: [listTest],
  },
  {
    name: "the name of a link ends at its first arrow",
    file: "lib/backends/ftp/ls_parser.ts",
    old: "return more.length > 0 ? undefined : { name, make: opaqueLink };",
    new: "return { name, make: opaqueLink };",
    tests: [listTest],
  },
  {
    name: "a name that comes twice is the last one",
    file: "lib/backends/ftp/listing_parser.ts",
    old: "before === undefined ? entry : {",
    new: "entry.kind !== undefined ? entry : {",
    tests: [listTest],
  },
  {
    name: "facts are not chosen on further connections",
    file: "lib/backends/ftp/connect.ts",
    old: "...(facts === undefined ? [] : [facts])",
    new: "",
    tests: [abilitiesTest],
  },
  {
    name: "what is not in a listing with unread lines is absent",
    file: "lib/backends/ftp/stat.ts",
    old: "if (unreadableCount > 0) {",
    new: "if (unreadableCount < 0) {",
    tests: [hostileTest],
  },
  {
    name: "a file is removed from behind a link",
    file: "lib/backends/ftp/changes.ts",
    old: "await session.learned.linkedFolders.assertNoLinkAbove({ control, session, context, isFolder });",
    new: "",
    tests: [foldersTest],
  },
  {
    name: "a file is renamed away from behind a link",
    file: "lib/backends/ftp/changes.ts",
    old: "await session.learned.linkedFolders.assertNoLinkAbove({ control, session, context: from, isFolder: false });",
    new: "",
    tests: [foldersTest],
  },
  {
    name: "DELE is believed",
    file: "lib/backends/ftp/changes.ts",
    old: "return await stat(control, session, { ...context, precise: true }) === undefined;",
    new: "return true;",
    tests: [foldersTest],
  },
  {
    name: "a link that LIST shows is removed",
    file: "lib/backends/ftp/changes.ts",
    old: "await session.learned.linkedFolders.assertNoLinkAbove({ control, session, context, isFolder: true });",
    new: "",
    tests: [foldersTest, endToEnd],
  },
  {
    name: "a root that is a link loses its files no more",
    file: "lib/backends/ftp/linked_folders.ts",
    old: "for (const folder of chain.filter(({ length }) => length > top).reverse()) {",
    new: "for (const folder of chain.toReversed()) {",
    tests: [foldersTest],
  },
  {
    name: "UNIQUE facts are believed unseen",
    file: "lib/backends/ftp/linked_folders.ts",
    old: "return inner?.fingerprint === same.fingerprint;",
    new: "return true;",
    tests: [foldersTest],
  },
  {
    name: "a loop goes on below UNIQUE facts",
    file: "lib/backends/ftp/linked_folders.ts",
    old: "return inner?.fingerprint === same.fingerprint;",
    new: "return false;",
    tests: [foldersTest],
  },
  {
    name: "a loop without UNIQUE facts goes on",
    file: "lib/backends/ftp/linked_folders.ts",
    old: 'if (fingerprint !== "" && !this.#identities.has(serverPath)) await this.#assertNoLoop(seen, operation);',
    new: "",
    tests: [foldersTest],
  },
  {
    name: "folders alike in one another are a loop at once",
    file: "lib/backends/ftp/linked_folders.ts",
    old: "const MAX_REPEATS = 4;",
    new: "const MAX_REPEATS = 1;",
    tests: [foldersTest],
  },
  {
    name: "no folder is asked for a link before it is emptied",
    file: "lib/sync/apply/apply.ts",
    old: "await runRemovals(await unlinkFolders(phases, context), context);",
    new: "await runRemovals(phases, context);",
    tests: [unlinkTest, endToEnd],
  },
  {
    name: "what lies behind a link that is gone is removed too",
    file: "lib/sync/apply/unlink.ts",
    old: "const isLeft = (action: Remove) => !finished.has(action);",
    new: "const isLeft = () => true;",
    tests: [unlinkTest],
  },
  {
    name: "folders in a folder that goes are asked for no link",
    file: "lib/sync/apply/unlink.ts",
    old: "for (const level of levels(phases)) {",
    new: "for (const level of levels(phases).filter((one) => one.length > 0).slice(0, 1)) {",
    tests: [unlinkTest],
  },
  {
    name: "MDTM that stands still tells a zone",
    file: "lib/backends/ftp/list.ts",
    old: "await readMdtm(other) === time) {",
    new: "await readMdtm(other) === undefined) {",
    tests: [abilitiesTest],
  },
  {
    name: "a time that was made up is given",
    file: "lib/backends/ftp/finalize.ts",
    old: "if (!learned.mdtmUnreliable) return written;",
    new: "return written;",
    tests: [abilitiesTest],
  },
  {
    name: "a server that refuses times is asked for each file",
    file: "lib/backends/ftp/times.ts",
    old: 'if (learned.timeRefusals >= MAX_TIME_REFUSALS) learned.setter = "none";',
    new: "",
    tests: [abilitiesTest],
  },
  {
    name: "a reply that nothing asked for is passed over",
    file: "lib/backends/ftp/replies.ts",
    old: "if (reply.code !== 421 && (first === undefined || (isPort && !first.isForPort))) return false;",
    new: "if (isPort && first?.isForPort !== true) return false;",
    tests: [linkTest],
  },
  {
    name: "without MLST only the listing tells what is there",
    file: "lib/backends/ftp/stat.ts",
    old: "if (shown !== undefined) return shown;",
    new: "",
    tests: [hostileTest],
  },
  {
    name: "without MLST a failed look makes a name absent",
    file: "lib/backends/ftp/stat.ts",
    old: "assertAbsent(session, context, replies);",
    new: "",
    tests: [hostileTest],
  },
  {
    name: "a lone file's MDTM is believed whatever it answers",
    file: "lib/backends/ftp/list.ts",
    old: "if (Math.abs(ahead) > MAX_ZONE_MS + MINUTE) return void (learned.mdtmUnreliable = true);",
    new: "",
    tests: [abilitiesTest],
  },
  {
    name: "a name that a server trims is absent",
    file: "lib/backends/ftp/stat.ts",
    old: "if (precise === undefined) await assertNotTrimmed(control, session, context);",
    new: "",
    tests: [hostileTest, endToEnd],
  },
  {
    name: "a line that is no reply is passed over",
    file: "lib/backends/ftp/replies.ts",
    old: "this.last = code === undefined ? line.slice(0, 100) : undefined;",
    new: "this.last = undefined;",
    tests: [noReplyTest],
  },
  {
    name: "a time that MLST lacks is not asked for",
    file: "lib/backends/ftp/stat.ts",
    old: '  return learned.mlstLacksTimes && !learned.mdtmUnreliable && profile.features.has("MDTM");',
    new: "  return false;",
    tests: [mlsdTimesTest],
  },
  {
    name: "in active mode any host may open the data connection",
    file: "lib/net/accepted_connection.ts",
    old: "if (plainAddress(connection.remoteAddr.hostname) === plainAddress(peerHost)) return connection;",
    new: "if (peerHost !== undefined) return connection;",
    tests: ["tests/unit/backends/ftp/data_connection_test.ts"],
  },
  {
    name: "a leftover is continued whatever it holds",
    file: "lib/backends/ftp/checksum.ts",
    old: "return (await pendingHash ?? own) === own;",
    new: "return true;",
    tests: [resumeTest],
  },
];

import fc from "npm:fast-check@4.10.2";
import { runs } from "../support/runs.ts";
import { fuzzFtpList } from "./ftp_list.ts";
import { fuzzFtpMlsd } from "./ftp_mlsd.ts";
import { fuzzFtpReply } from "./ftp_reply.ts";

/** Pieces of which listings and replies are made, so that chance comes near to real ones. */
const words = [
  ..."type=file; type=dir; type=cdir; type=OS.unix=slink:/x y; size= modify=20231114221320; unique=1; UNIX.groupname=a b;"
    .split(" "),
  ..."-rw-r--r-- drwxr-xr-x lrwxrwxrwx 1 ftp 1234 Nov 14 2023 22:13 11-22-26 07:48AM <DIR> total 2026-01-31 -> a".split(
    " ",
  ),
  ...'229 (|||2121|) 227 (127,0,0,1,8,8) 257 "/a"" MLST type*;size*; 211- 211 SITE UTIME 550 denied'.split(" "),
  ...[" ", "; ", ";", "=", "\r\n", "\n", "\r", "..", "/", "\0", "\u00ff", "\x1b["],
];

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 500 }),
  fc.array(fc.constantFrom(...words), { maxLength: 60 }).map((parts) =>
    Uint8Array.from(parts.join(""), (letter) => letter.charCodeAt(0))
  ),
);

for (const target of [fuzzFtpList, fuzzFtpMlsd, fuzzFtpReply]) {
  Deno.test(`${target.name}() reads any bytes`, () => {
    fc.assert(fc.property(bytes, (one) => target(one)), { numRuns: runs(2000, 200_000) });
  });
}

import { davRows } from "./dav_rows.ts";
import { ftpRows } from "./ftp_rows.ts";
import type { Row } from "./row.ts";
import { sftpRows } from "./sftp_rows.ts";
import { storeRows } from "./store_rows.ts";

/** Every server of the table, in README's order. */
export const rows: readonly Row[] = [...sftpRows, ...ftpRows, ...davRows, ...storeRows];

import { testServers } from "./matrix.ts";

testServers("FTP");

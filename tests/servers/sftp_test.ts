import { testServers } from "./matrix.ts";

testServers("SFTP");

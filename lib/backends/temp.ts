export { tempPath, tempTag } from "../temp.ts";

import type { ParamType } from "../../lib/shell/command/command.ts";
import { anyObject, conversionError, type Secret, secret } from "../../lib/shell/command/param_types.ts";

/** A user name, and the password if one was given. */
export interface Credential {
  readonly userName: string;
  readonly password: Secret;
}

/** An object of Get-Credential or New-Object, or `user:password` out of a variable. */
export const credential: ParamType<Credential> = {
  name: "credential",
  isObject: true,
  isSecret: true,
  convert(value) {
    if (typeof value === "string" && value.includes(":")) {
      const at = value.indexOf(":");
      return { userName: value.slice(0, at), password: secret.convert(value.slice(at + 1)) };
    }
    const given = anyObject.convert(value);
    if ("userName" in given && typeof given.userName === "string" && "password" in given) {
      return { userName: given.userName, password: secret.convert(given.password) };
    }
    throw conversionError("expected an object of Get-Credential, or user:password from a variable");
  },
};

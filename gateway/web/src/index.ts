/** The package's entry: `createGateway(window, {key, endpoint})`. */

export { createGateway } from "./sdk.js";
export type * from "./types.js";

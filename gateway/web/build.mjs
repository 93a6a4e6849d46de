// Bundles the SDK: dist/sdk.js for pages, dist/index.js for bundlers, dist/types with its declarations.
import { build } from "esbuild";
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";

process.chdir(import.meta.dirname);
const { version } = JSON.parse(readFileSync("package.json", "utf8"));
rmSync("dist", { recursive: true, force: true });
const shared = { bundle: true, target: "es2021", legalComments: "none", logLevel: "warning" };
await build({
  ...shared,
  entryPoints: ["src/main.ts"],
  outfile: "dist/sdk.js",
  format: "iife",
  minify: true,
  banner: { js: `/* events-gateway ${version} */` },
});
await build({ ...shared, entryPoints: ["src/index.ts"], outfile: "dist/index.js", format: "esm" });
execFileSync(process.execPath, ["node_modules/typescript/bin/tsc"], { stdio: "inherit" });

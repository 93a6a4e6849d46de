// Bundles the SDK: dist/sdk.js for pages, dist/index.js for bundlers, dist/types with its declarations; the tag loader
// that has the SDK in it, dist/tag.js; and Shopify's custom pixel, dist/shopify-pixel.js, to be pasted.
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
await build({ ...shared, entryPoints: ["src/tag-main.ts"], outfile: "dist/tag.js", format: "iife", minify: true });
await build({
  ...shared,
  entryPoints: ["src/custom-pixel.ts"],
  outfile: "dist/shopify-pixel.js",
  format: "iife",
  banner: { js: `const GATEWAY = { endpoint: "https://events.shop.example.com", key: "pk_change_me" };\n` },
});
await build({ ...shared, entryPoints: ["src/index.ts"], outfile: "dist/index.js", format: "esm" });
execFileSync(process.execPath, ["node_modules/typescript/bin/tsc"], { stdio: "inherit" });

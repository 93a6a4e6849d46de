// An app's web pixel. The settings are given per shop with `webPixelCreate`.
import { register } from "@shopify/web-pixels-extension";
import { forward, type PixelApi, type PixelSettings } from "../../../src/pixel";

register((api) => forward(api as unknown as PixelApi, api.settings as unknown as PixelSettings));

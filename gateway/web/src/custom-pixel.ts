/** The custom pixel: pasted into Settings > Customer events, below a line that says `const GATEWAY = {endpoint, key}`. */

import { forward, type PixelApi, type PixelSettings } from "./pixel.js";

declare const GATEWAY: PixelSettings;
declare const analytics: PixelApi["analytics"];
declare const browser: PixelApi["browser"];
declare const init: PixelApi["init"];
declare const customerPrivacy: PixelApi["customerPrivacy"];

forward({ analytics, browser, init, customerPrivacy }, GATEWAY);

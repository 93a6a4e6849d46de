/** The loader's script on the page. The gateway serves it within a function whose argument is what the site configured. */

import { start } from "./start.js";
import { createTag, type TagData } from "./tag.js";
import type { TagPage } from "./tag-part.js";

declare const GATEWAY_TAG: TagData;

start((nonce) => createTag(window as unknown as TagPage, GATEWAY_TAG, nonce));

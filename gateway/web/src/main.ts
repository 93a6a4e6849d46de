/** The SDK's script on the page. */

import { start } from "./start.js";

start();

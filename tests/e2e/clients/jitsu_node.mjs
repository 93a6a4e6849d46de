// @jitsu/js as a shop's server uses it: node jitsu_node.mjs URL WRITE_KEY NUMBER
import { jitsuAnalytics } from "@jitsu/js";

const [host, writeKey, number] = process.argv.slice(2);
const analytics = jitsuAnalytics({ host, writeKey: `${writeKey}:any` }); // it takes no key without a colon
await analytics.identify("cust_7", { email: "jane@example.com" });
for (let index = 0; index < Number(number); index++) {
  await analytics.track("Product Viewed", { product_id: `jitsu-node-${index}`, price: 25, currency: "EUR" });
}

// @segment/analytics-node as a shop's server uses it: node segment_node.mjs URL WRITE_KEY NUMBER
import { Analytics } from "@segment/analytics-node";

const [host, writeKey, number] = process.argv.slice(2);
const analytics = new Analytics({ host, writeKey, maxEventsInBatch: 10 });
analytics.identify({ userId: "cust_7", traits: { email: "jane@example.com" } });
for (let index = 0; index < Number(number); index++) {
  analytics.track({
    userId: "cust_7",
    event: "Product Viewed",
    properties: { product_id: `segment-node-${index}`, price: 25, currency: "EUR" },
    context: { traits: { email: "jane@example.com" } },
  });
}
await analytics.closeAndFlush();

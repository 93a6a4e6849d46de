// @rudderstack/rudder-sdk-node as a shop's server uses it: node rudder_node.cjs URL WRITE_KEY NUMBER
const Analytics = require("@rudderstack/rudder-sdk-node");

const [dataPlaneUrl, writeKey, number] = process.argv.slice(2);
const client = new Analytics(writeKey, { dataPlaneUrl, flushAt: 10, logLevel: "error" });
client.identify({ userId: "cust_7", traits: { email: "jane@example.com" } });
for (let index = 0; index < Number(number); index++) {
  client.track({
    userId: "cust_7",
    event: "Product Viewed",
    properties: { product_id: `rudder-node-${index}`, price: 25, currency: "EUR" },
    context: { traits: { email: "jane@example.com" } },
  });
}
client.flush();

"""rudder-sdk-python as a shop's server uses it: python rudder_python.py URL WRITE_KEY NUMBER"""

import sys

import rudderstack.analytics as client

client.dataPlaneUrl, client.write_key, number = sys.argv[1:4]
client.upload_size = 10
client.identify("cust_7", {"email": "jane@example.com"})
for index in range(int(number)):
    client.track(
        "cust_7",
        "Product Viewed",
        {"product_id": f"rudder-python-{index}", "price": 25, "currency": "EUR"},
        context={"traits": {"email": "jane@example.com"}},
    )
client.flush()
client.shutdown()

"""segment-analytics-python as a shop's server uses it: python segment_python.py URL WRITE_KEY NUMBER"""

import sys

import segment.analytics as analytics

analytics.host, analytics.write_key, number = sys.argv[1:4]
analytics.max_retries = 10
analytics.upload_size = 10
analytics.identify("cust_7", {"email": "jane@example.com"})
for index in range(int(number)):
    analytics.track(
        "cust_7",
        "Product Viewed",
        {"product_id": f"segment-python-{index}", "price": 25, "currency": "EUR"},
        context={"traits": {"email": "jane@example.com"}},
    )
analytics.flush()
analytics.shutdown()

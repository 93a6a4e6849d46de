"""A real shop page in headless Chromium, the gateway, and the simulated platforms, each a process of its own.

shop/              the shop: static pages, as a merchant would have them
shop_server        serves them on a port of its own
test_shop_page     what a visitor does there, and what of it reaches the platforms
test_sdk_units     the SDK's own tests, without a browser
"""

"""What consent platforms send, read as the four canonical purposes (contracts/consent.md, section 2). Pure.

bits.py          fields of bit strings in base64url
tcf.py           IAB TCF 2 strings
gpp.py           IAB GPP strings, and the sections that a consent platform parsed
consent_mode.py  Google Consent Mode v2
shopify.py       Shopify's customer privacy: what is allowed, and what was chosen
"""

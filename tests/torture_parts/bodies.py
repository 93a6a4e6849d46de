"""JSON bodies that go wrong, each in its own way, and what has to become of them (RELIABILITY B1)."""

import codecs
from collections.abc import Iterator, Mapping

MIB = 1 << 20
REFUSED = (400, 413, 422)
TAKEN = (202,)
EITHER = (*TAKEN, *REFUSED)  # stored in canonical form, or refused: both are right, and both doors must agree


def event(fields: str = "", name: str = "product_viewed") -> bytes:
    """A good event, with further fields."""
    more = f",{fields}" if fields else ""
    return f'{{"event_name":"{name}","user_data":{{"anonymous_id":"a1"}}{more}}}'.encode()


def value(text: str) -> bytes:
    return event(f'"custom_data":{{"currency":"EUR","value":{text}}}')


def custom(text: str) -> bytes:
    return event(f'"custom_data":{{"note":{text}}}')


def nested(depth: int, opening: str = '{"a":', closing: str = "}") -> str:
    return opening * depth + "1" + closing * depth


MALFORMED = {
    "empty": b"",
    "blank": b"  \n\t ",
    "null": b"null",
    "a number": b"1",
    "a text": b'"product_viewed"',
    "true": b"true",
    "an empty object": b"{}",
    "an empty array": b"[]",
    "no events": b'{"events":[]}',
    "events that are none": b'{"events":7}',
    "an array of numbers": b"[1,2,3]",
    "an array of nothing": b"[null]",
    "an array of arrays": b"[[[]]]",
    "an open object": b"{",
    "an open array": b"[",
    "an open text": b'{"event_name":"product_vie',
    "a trailing comma": b'{"event_name":"product_viewed",}',
    "a comment": b'{"event_name":"product_viewed"/* hi */}',
    "single quotes": b"{'event_name':'product_viewed'}",
    "no quotes": b"{event_name:1}",
    "two values": event() + event(),
    "text after the value": event() + b"x",
    "a NUL after the value": event() + b"\x00",
    "a NUL in a text": b'{"event_name":"product\x00viewed"}',
    "a line break in a text": b'{"event_name":"product\nviewed"}',
    "a bad escape": b'{"event_name":"product\\xviewed"}',
    "half an escape": b'{"event_name":"product\\u12"}',
    "byte order mark": codecs.BOM_UTF8 + event(),
    "UTF-16": event().decode().encode("utf-16"),
    "UTF-16 without a mark": event().decode().encode("utf-16-le"),
    "UTF-32": event().decode().encode("utf-32"),
    "Latin-1": b'{"event_name":"product_viewed","page":{"title":"caf\xe9"}}',
    "overlong UTF-8": b'{"event_name":"\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"event_name":"\xed\xa0\x80"}',
    "UTF-8 cut short": b'{"event_name":"\xf0\x9f\x92"}',
    "past Unicode": b'{"event_name":"\xf4\x90\x80\x80"}',
    "a lone high surrogate": b'{"event_name":"\\ud800"}',
    "a lone low surrogate": b'{"event_name":"\\udfff"}',
    "NaN": value("NaN"),
    "Infinity": value("Infinity"),
    "-Infinity": value("-Infinity"),
    "1e999": value("1e999"),
    "-1e999": value("-1e999"),
    "1e999 in a property": custom("1e999"),
    "10^400": value("1" + "0" * 400),
    "10^5000": value("1" + "0" * 5_000),
    "10^400 in a property": custom("1" + "0" * 400),
    "hexadecimal": value("0x10"),
    "a leading zero": value("01"),
    "a leading plus": value("+1"),
    "a bare point": value(".5"),
    "a value that is a table": value("{}"),
    "a value that is true": value("true"),
    "a currency that is none": event('"custom_data":{"currency":"EURO","value":1}'),
    "a currency that is a number": event('"custom_data":{"currency":978,"value":1}'),
    "a name that is a number": b'{"event_name":5}',
    "a name that is null": b'{"event_name":null}',
    "no name": b'{"event_id":"a"}',
    "user data that is a list": event('"custom_data":[]').replace(b'{"anonymous_id":"a1"}', b"[]"),
    "a page that is a text": event('"page":"https://shop.example.com"'),
    "items that are no list": event('"custom_data":{"items":{}}'),
    "items of numbers": event('"custom_data":{"items":[1]}'),
    "a time that is none": event('"occurred_at":"tomorrow"'),
    "depth 100": custom(nested(100)),
    "depth 1,000": custom(nested(1_000)),
    "depth 1,000 outside": nested(1_000, "[", "]").encode(),
    "depth 1,000 in an unknown field": event(f'"unknown":{nested(1_000)}'),
    "depth 100,000": custom(nested(100_000, "[", "]")),
    "half a depth of 1,000,000": b"[" * 1_000_000,
    "half a depth of 180,000 of objects": b'{"a":' * 180_000,
    "too many properties": event('"custom_data":{' + ",".join(f'"k{i}":1' for i in range(201)) + "}"),
    "100,000 keys": b"{" + b",".join(b'"%x":1' % i for i in range(100_000)) + b"}",
    "1,001 events": b"[" + b",".join([event()] * 1_001) + b"]",
    "100,000 empty events": b"[" + b",".join([b"{}"] * 100_000) + b"]",
    "100,000 events": b"[" + b",".join([b'{"event_name":"a"}'] * 55_000) + b"]",
    "a text of 70 KB": custom('"' + "x" * 70_000 + '"'),
    "a name of 1,000 characters": event(name="x" * 1_000),
    "an event id of 10,000 characters": event('"event_id":"' + "x" * 10_000 + '"'),
    "a mebibyte and one byte": b" " * MIB + b"1",
}  # fmt: skip
GOOD = {
    "plain": event(),
    "spaces around": b" \n" + event() + b"\n\t ",
    "the longest batch": b"[" + b",".join([event()] * 1_000) + b"]",
    "no fields but the name": b'{"event_name":"product_viewed"}',
    "escapes": custom('"\\u00e9\\ud83d\\ude00\\n\\t\\"\\\\\\/"'),
    "all of Unicode": custom('"' + "aé漢😀\u202e\u2028\ufeff" + '"'),
    "a small number": value("0.01"),
    "a negative zero": value("-0.0"),
    "an exponent": value("1.5E2"),
    "a key that is empty": event('"custom_data":{"":1}'),
    "depth 20": custom(nested(20)),
}
DOUBTFUL = {
    "a duplicate name": b'{"event_name":"page_viewed","event_name":"product_viewed"}',
    "two event ids": event('"event_id":"first-id","event_id":"second-id"'),
    "duplicate nested keys": event('"custom_data":{"value":1,"value":2,"currency":"EUR"}'),
    "a unit separator in an id": event('"event_id":"a\\u001fb"'),
    "5,000 keys in a property": custom("{" + ",".join(f'"{i:x}":1' for i in range(5_000)) + "}"),
    "a NUL escaped in a text": custom('"a\\u0000b"'),
    "a NUL escaped in an id": event('"event_id":"a\\u0000b"'),
    "a lone surrogate in a property": custom('"\\ud800"'),
    "a lone surrogate in a key": event('"custom_data":{"\\ud800":1}'),
    "2^63 in a property": custom(str(2**63)),
    "2^64 in a property": custom(str(2**64)),
    "-2^63 - 1 in a property": custom(str(-(2**63) - 1)),
    "2^63": value(str(2**63)),
    "1e308 in a property": custom("1e308"),
    "a small exponent": value("1e-400"),
    "0.1 with 400 digits": value("0." + "1" * 400),
    "a value in a text": value('"12.50"'),
    "a value in a long text": value('"' + "9" * 400 + '"'),
    "depth 32": custom(nested(32)),
    "an unknown field": event('"unknown":{"a":[1,2]}'),
    "numbers for ids": event('"event_id":12345,"custom_data":{"order_id":67890}'),
    "a year past all years": event('"occurred_at":"9999-12-31T23:59:59Z"'),
    "a year before all years": event('"occurred_at":"0001-01-01T00:00:00+14:00"'),
    "a time of 10^18": event('"occurred_at":1000000000000000000'),
    "a time below zero": event('"occurred_at":-1'),
    "an e-mail that is none": event().replace(b'"a1"', b'"a1","email":"@@@@"'),
    "a phone of letters": event().replace(b'"a1"', b'"a1","phone":"call me"'),
    "a phone of 5,000 digits": event().replace(b'"a1"', b'"a1","phone":"+' + b"4" * 5_000 + b'"'),
    "a url of 5,000 characters": event('"page":{"url":"https://a.example/' + "b" * 5_000 + '"}'),
    "a url that is none": event('"page":{"url":"http://[::1"}'),
    "a country of control characters": event().replace(b'"a1"', b'"a1","country":"\\u0001\\u0002"'),
}


def cases() -> Iterator[tuple[str, bytes, tuple[int, ...]]]:
    """Name, body, and the statuses that are right."""
    groups: tuple[tuple[Mapping[str, bytes], tuple[int, ...]], ...] = (
        (MALFORMED, REFUSED),
        (GOOD, TAKEN),
        (DOUBTFUL, EITHER),
    )
    for group, statuses in groups:
        for name, body in group.items():
            yield name, body, statuses
    good = event('"custom_data":{"currency":"EUR","value":1}')
    for length in range(1, len(good) - 1, 7):
        yield f"the first {length} bytes of an event", good[:length], REFUSED

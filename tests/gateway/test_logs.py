"""Log lines: their form, and what never gets into one."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.secret import Secret
from gateway.logs import configure_logs
from gateway.redaction import FIELDS, VALUE_CHARS, redact


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is written, with logging as it was given back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = io.StringIO()
    configure_logs("info", stream=stream)
    yield stream
    structlog.reset_defaults()
    root.handlers = handlers
    root.setLevel(level)


def only(stream: io.StringIO) -> dict[str, Any]:
    (line,) = stream.getvalue().splitlines()
    decoded: dict[str, Any] = json.loads(line)
    return decoded


def seen(**fields: object) -> dict[str, Any]:
    return dict(redact(None, "info", fields))


def test_a_line_is_one_json_object_with_its_action_first(lines: io.StringIO) -> None:
    structlog.get_logger().warning("site_skipped", site="shop", count=2)
    line = only(lines)
    assert list(line)[:3] == ["action", "at", "level"]
    assert (line["action"], line["level"], line["site"], line["count"]) == ("site_skipped", "warning", "shop", 2)
    assert line["at"].endswith("Z")


def test_what_is_below_the_level_is_not_written(lines: io.StringIO) -> None:
    structlog.get_logger().debug("turn_done")
    assert lines.getvalue() == ""


def test_text_format_is_for_people() -> None:
    stream = io.StringIO()
    configure_logs("info", "text", stream)
    structlog.get_logger().info("listening", bind="127.0.0.1:8080")
    structlog.reset_defaults()
    assert stream.getvalue().endswith("info    listening bind=127.0.0.1:8080\n")


@pytest.mark.parametrize(
    "field",
    [
        *("token", "access_token", "apiSecret", "client_secret", "password", "Authorization", "cookie", "set_cookie"),
        *("email", "emails", "phone", "first_name", "lastName", "name", "ip", "client_ip", "peer", "date_of_birth"),
        *("gender", "street", "write_key", "user_agent", "address", "user_data", "body", "url"),
    ],
)
def test_fields_named_after_secrets_and_persons_are_hidden(field: str) -> None:
    assert seen(**{field: "canary"}) == {field: "***"}
    assert seen(outer={field: ["canary"]}) == {"outer": {field: "***"}}


@pytest.mark.parametrize("field", ["event_name", "destination", "bind", "platform", "shipping", "zip_file", "reason"])
def test_other_fields_are_shown(field: str) -> None:
    assert seen(**{field: "value"}) == {field: "value"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no such profile: jane@example.com", "no such profile: [email]"),
        ("GET /v1?access_token=abc.def&x=1", "GET /v1?access_token=***&x=1"),
        ("api_secret=s3cr3t", "api_secret=***"),
        ("Authorization: Bearer abc-123", "Authorization: Bearer ***"),
        ('{"refresh_token": "abc"}', '{"refresh_token": "***"}'),
        ("a\nb\x1b[31m\x7f\u202e\u2028", "a\\nb\\x1b[31m\\x7f\\u202e\\u2028"),
        ("half a pair: \ud800", "half a pair: \\ud800"),
        ("Grüße aus Köln", "Grüße aus Köln"),
    ],
)
def test_texts_lose_what_must_not_be_seen(text: str, shown: str) -> None:
    assert seen(words=text) == {"words": shown}


@pytest.mark.parametrize("address", ["203.0.113.7", "203.0.113.7:443", "2001:db8::7", "::1", "[2001:db8::7]:443"])
def test_errors_lose_network_addresses(address: str) -> None:
    shown = seen(error=OSError(f"connection from {address} failed"))["error"]
    assert "[address]" in shown
    assert "113" not in shown
    assert "db8" not in shown


def test_times_and_versions_in_errors_stay() -> None:
    assert seen(error=ValueError("at 10:00:00 by 3.11.7"))["error"] == "ValueError: at 10:00:00 by 3.11.7"


def test_objects_are_named_and_not_shown() -> None:
    assert seen(one=Secret("canary"), two=b"canary", three=object()) == {
        "one": "***",
        "two": "<6 bytes>",
        "three": "<object>",
    }


def test_long_and_deep_values_are_cut() -> None:
    nested: list[Any] = []
    for _ in range(50):
        nested = [nested]
    shown = seen(long="x" * 10_000, many=list(range(1_000)), nested=nested, whole=float("inf"))
    assert len(shown["long"]) == VALUE_CHARS + 1
    assert len(shown["many"]) == FIELDS
    assert json.dumps(shown["nested"], ensure_ascii=False) == '[[[["…"]]]]'
    assert shown["whole"] == "inf"


def test_an_exception_is_logged_with_its_traceback_and_without_its_data(lines: io.StringIO) -> None:
    try:
        raise KeyError("jane@example.com")
    except KeyError:
        structlog.get_logger().exception("turn_failed", kind="order")
    line = only(lines)
    assert "test_logs.py" in line["traceback"]
    assert line["traceback"].endswith("KeyError: '[email]'\\n")


def test_lines_of_libraries_come_out_in_the_same_form(lines: io.StringIO) -> None:
    logging.getLogger("hypercorn.error").warning("Error in ASGI from %s", "203.0.113.7")
    line = only(lines)
    assert (line["action"], line["logger"], line["level"]) == ("library_said", "hypercorn.error", "warning")
    assert line["text"] == "Error in ASGI from [address]"


@pytest.mark.parametrize("name", ["httpx", "httpcore.connection", "hypercorn.access"])
def test_chatty_libraries_are_silent(lines: io.StringIO, name: str) -> None:
    logging.getLogger(name).info('HTTP Request: POST https://example.com/?api_secret=canary "200"')
    assert lines.getvalue() == ""


def test_a_log_that_nobody_takes_does_not_stop_the_gateway() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    configure_logs("info", stream=Gone())
    structlog.get_logger().info("listening")
    structlog.reset_defaults()


def test_a_broken_log_call_of_a_library_is_still_a_line(lines: io.StringIO) -> None:
    record = logging.makeLogRecord({"name": "library", "levelno": logging.ERROR, "msg": "%d items", "args": ("many",)})
    logging.getLogger().handlers[0].handle(record)
    assert only(lines)["text"] == "%d items"


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text(min_size=1), st.recursive(st.text() | st.integers() | st.floats(), st.lists, max_leaves=3), max_size=4
    )
)
def test_whatever_is_logged_is_one_line_without_control_characters(fields: dict[str, Any]) -> None:
    line = json.dumps(redact(None, "info", fields), ensure_ascii=False)
    assert line.isprintable() or all(ord(char) > 0x9F for char in line if not char.isprintable())
    assert len(line.splitlines()) == 1

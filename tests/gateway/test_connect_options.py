"""The options of `gateway connect`: the adapters' own settings, short forms, faults by their option."""

from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from click.testing import CliRunner, Result

from actors.destinations import AnyDestination
from actors.destinations.base import Destination
from actors.destinations.webhook import Webhook
from gateway import exit_codes
from gateway.cli import cli
from gateway.commands.connect import connect
from gateway.commands.connect_options import APART, full_names, option_name
from gateway.commands.controlling import open_control
from gateway.config_reader import members

KINDS = members(AnyDestination)
CONFIG = '[server]\ndata_dir = "{folder}/data"\n[[sites]]\nid = "shop"\nwrite_keys = ["wk_test"]\n'


def run(folder: Path, *arguments: str, stdin: str = "") -> Result:
    config = folder / "config.toml"
    if not config.exists():
        config.write_text(CONFIG.format(folder=folder))
    return CliRunner().invoke(cli, [*arguments, "--config", str(config)], input=stdin)


def shown(folder: Path, name: str) -> Any:
    lines = run(folder, "destinations", "--json").stdout.splitlines()
    return next(one for line in lines if (one := msgspec.json.decode(line))["id"] == name)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.platform))
def test_every_setting_of_an_adapter_is_an_option(kind: type[Destination]) -> None:
    command = connect.get_command(click.Context(connect), str(kind.platform))
    assert command is not None
    options = {name for one in command.params for name in one.opts}
    fields = [field.name for field in msgspec.structs.fields(kind) if field.name not in APART]
    assert {option_name(name) for name in fields} <= options
    assert CliRunner().invoke(cli, ["connect", str(kind.platform), "--help"]).exit_code == 0


def test_the_help_says_what_a_setting_is_in_the_adapters_own_words() -> None:
    told = " ".join(CliRunner().invoke(cli, ["connect", "meta", "--help"]).stdout.split())
    assert "Needed: the dataset's number, from Events Manager." in told
    assert "Default: v26.0." in told


def test_whole_words_of_the_beginning_or_end_are_enough_where_one_option_has_them() -> None:
    names = ["--access-token", "--refresh-token", "--pixel-id", "--no-check", "--site", "--site-type"]
    assert full_names(["--pixel", "1", "--access=x", "--site", "a", "--check"], names) == [
        "--pixel-id", "1", "--access-token=x", "--site", "a", "--check",
    ]  # fmt: skip
    with pytest.raises(click.UsageError, match="--access-token, --refresh-token"):
        full_names(["--token", "x"], names)


def test_each_fault_names_its_option(tmp_path: Path) -> None:
    done = run(tmp_path, "connect", "meta", "--pixel", "12x", "--token", "EAAtoken", "--concurrency", "99")
    assert done.exit_code == exit_codes.USAGE
    assert "--pixel-id: '12x'" in done.stderr
    assert "--concurrency: 99 is out of range" in done.stderr
    assert run(tmp_path, "connect", "ga4", "--secret", "x").stderr.startswith("--measurement-id: is missing")
    assert "'--concurrency'" in run(tmp_path, "connect", "meta", "--concurrency", "many").stderr


def test_a_fault_of_the_destination_as_a_whole_names_the_platform(tmp_path: Path) -> None:
    done = run(tmp_path, "connect", "klaviyo", "--api-key", "pk_secret")
    assert (done.exit_code, done.stderr.startswith("klaviyo: it needs plaintext")) == (exit_codes.USAGE, True)


def test_a_secret_comes_from_standard_input_and_is_not_told(tmp_path: Path) -> None:
    done = run(
        tmp_path, "connect", "ga4", "--measurement-id", "G-TRACK", "--secret", "-", "--no-check", stdin="hush-hush\n"
    )
    assert (done.exit_code, done.stdout) == (0, "connected shop/ga4 (ga4), version 1\n")
    assert shown(tmp_path, "ga4")["version"] == 1
    assert "hush" not in run(tmp_path, "destinations", "--json").output


def test_a_secret_that_nobody_can_be_asked_for_is_told_by_its_option(tmp_path: Path) -> None:
    done = run(tmp_path, "connect", "meta", "--pixel", "1")
    assert (done.exit_code, "--access-token is missing" in done.stderr) == (exit_codes.USAGE, True)


def test_lists_and_tables_are_given_apart_or_again(tmp_path: Path) -> None:
    url = ("--url", "https://hooks.example.com/x", "--secret", "whsec_" + "A" * 44, "--no-check")
    lists = (
        "--events",
        "purchase_placed,page_viewed",
        "--events",
        "cart_viewed",
        "--headers",
        "X-A=1",
        "--headers",
        "X-B=2=3",
    )
    assert run(tmp_path, "connect", "webhook", *url, *lists).exit_code == 0

    with open_control(tmp_path / "config.toml", None) as control:
        found = control.record("shop", "webhook")
    assert isinstance(found, Webhook)
    assert found.events == ("purchase_placed", "page_viewed", "cart_viewed")
    assert {name: one.reveal() for name, one in found.headers.items()} == {"X-A": "1", "X-B": "2=3"}
    assert run(tmp_path, "connect", "webhook", *url, "--headers", "none").exit_code == exit_codes.USAGE


def test_a_taken_id_an_unknown_site_and_an_unknown_name_are_answers(tmp_path: Path) -> None:
    meta = ("connect", "meta", "--pixel", "1234", "--token", "EAAtoken", "--no-check")
    assert run(tmp_path, *meta).exit_code == 0
    assert run(tmp_path, *meta, "--id", "meta").exit_code == exit_codes.FAILED
    assert run(tmp_path, *meta, "--id", "meta", "--replace").exit_code == 0
    assert "there is no site 'shpo'" in run(tmp_path, *meta, "--site", "shpo").stderr
    done = run(tmp_path, "disconnect", "mta")
    assert (done.exit_code, done.stderr) == (exit_codes.USAGE, "no destination 'mta'; there are: shop/meta\n")


def test_a_platform_that_is_not_reached_needs_no_check(tmp_path: Path) -> None:
    meta = (
        "connect",
        "meta",
        "--pixel",
        "1234",
        "--token",
        "EAAtoken",
        "--allow-private",
        "--base-url",
        "http://127.0.0.1:9",
    )
    done = run(tmp_path, *meta)
    assert (done.exit_code, "--no-check stores them untried" in done.stderr) == (exit_codes.FAILED, True)
    assert run(tmp_path, *meta, "--no-check").exit_code == 0


def test_a_connected_destination_can_be_tried(tmp_path: Path) -> None:
    run(tmp_path, "connect", "meta", "--pixel", "1234", "--token", "EAAtoken", "--no-check", "--id", "mine")
    event = '{"event_name": "page_viewed", "user_data": {"email": "jane@example.com"}}'
    done = run(tmp_path, "try", "-", "--destination", "mine", "--json", stdin=event)
    assert (done.exit_code, msgspec.json.decode(done.stdout)["destination"]) == (0, "mine")
    assert "EAAtoken" not in done.output
    assert run(tmp_path, "try", "-", "--destination", "shop/mine", stdin=event).exit_code == 0
    both = run(tmp_path, "try", "-", "--destination", "shop/mine", "--site", "other", stdin=event)
    assert (both.exit_code, "give one of them" in both.stderr) == (exit_codes.USAGE, True)
    assert "no destination 'yours'" in run(tmp_path, "try", "-", "--destination", "yours", stdin=event).stderr


def test_pausing_and_resuming_show_in_the_list(tmp_path: Path) -> None:
    run(tmp_path, "connect", "meta", "--pixel", "1234", "--token", "EAAtoken", "--no-check")
    assert run(tmp_path, "pause", "shop/meta").exit_code == 0
    assert shown(tmp_path, "meta")["is_paused"]
    listed = run(tmp_path, "destinations")
    assert ("by an operator" in listed.stdout, "no gateway runs on" in listed.stderr) == (True, True)
    assert run(tmp_path, "resume", "meta").stdout == "resumed shop/meta, version 3\n"
    assert not shown(tmp_path, "meta")["is_paused"]


def test_a_secret_is_set_by_its_short_name(tmp_path: Path) -> None:
    run(tmp_path, "connect", "meta", "--pixel", "1234", "--token", "EAAtoken", "--no-check")
    done = run(tmp_path, "secret", "set", "meta", "token", "-", "--no-check", stdin="EAAother\n")
    assert done.stdout == "set access_token of shop/meta, version 2\n"
    wrong = run(tmp_path, "secret", "set", "meta", "pixel_id", "-", stdin="x")
    assert (wrong.exit_code, "give one of access_token" in wrong.stderr) == (exit_codes.USAGE, True)


def test_a_clash_with_the_file_is_told_and_the_file_counts(tmp_path: Path) -> None:
    run(tmp_path, "connect", "meta", "--pixel", "1234", "--token", "EAAtoken", "--no-check")
    block = '[[sites.destinations]]\nid = "meta"\ntype = "meta"\npixel_id = "42"\naccess_token = "file"\n'
    with (tmp_path / "config.toml").open("a") as file:
        file.write(block)
    done = run(tmp_path, "check-config")
    assert (done.exit_code, "the stored one is out of force" in done.stdout) == (0, True)
    listed = run(tmp_path, "destinations")
    assert (listed.exit_code, "the file declares a destination of this id" in listed.stdout) == (1, True)
    assert run(tmp_path, "disconnect", "shop/meta").exit_code == 0
    assert run(tmp_path, "destinations").exit_code == 0


def test_the_history_tells_what_was_changed_and_no_value(tmp_path: Path) -> None:
    run(tmp_path, "connect", "meta", "--pixel", "1234", "--token", "EAAtoken", "--no-check")
    run(tmp_path, "secret", "set", "meta", "token", "-", "--no-check", stdin="EAAother\n")
    run(tmp_path, "pause", "meta")
    done = run(tmp_path, "destinations", "--history", "--json")
    changes = [msgspec.json.decode(line)["change"] for line in done.stdout.splitlines()]
    assert changes == ["pause shop/meta", "set secret shop/meta access_token", "connect shop/meta"]
    assert "EAA" not in run(tmp_path, "destinations", "--history").stdout


def test_an_unknown_site_to_list_is_an_answer(tmp_path: Path) -> None:
    run(tmp_path, "connect", "meta", "--pixel", "1234", "--token", "EAAtoken", "--no-check")
    done = run(tmp_path, "destinations", "--site", "shpo")
    assert (done.exit_code, done.stderr) == (exit_codes.USAGE, "there is no site 'shpo'; there are: shop\n")

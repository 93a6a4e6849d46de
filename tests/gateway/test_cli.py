"""The command line as a whole: documented, helpful, and never a traceback."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import lmdb
import pytest
from click.testing import CliRunner
from trio.testing import MockClock

from gateway import exit_codes
from gateway.cli import cli
from gateway.commands import MODULES
from store import keys
from store.env import Store
from tests.gateway.told_store import Told, nowhere
from tests.support.making import event
from tests.support.world import World

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8")
READING = ("explain x", "deliveries", "stream", "check-store")


def commands() -> dict[str, click.Command]:
    context = click.Context(cli)
    found = {name: cli.get_command(context, name) for name in cli.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None and not command.hidden}


def parameters() -> Iterator[tuple[str, str]]:
    for name, command in commands().items():
        for parameter in command.params:
            yield name, parameter.opts[0] if isinstance(parameter, click.Option) else str(parameter.name).upper()


def section(name: str) -> str:
    return PAGE.partition(f"\n## gateway {name}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("name", commands())
def test_every_command_is_on_its_page_and_has_an_example_in_its_help(name: str) -> None:
    assert f"| `gateway {name}` |" in PAGE
    assert section(name), f"a section for {name}"
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0
    assert "gateway " + name in result.output.partition("\n")[2]


@pytest.mark.parametrize(("name", "parameter"), list(parameters()))
def test_every_option_is_on_the_page_of_its_command(name: str, parameter: str) -> None:
    own = section(name) + (PAGE.partition("## Which configuration")[2].partition("\n## gateway")[0])
    assert f"`{parameter}" in own or f"{parameter} " in section(name), f"{parameter} of {name} in docs/cli.md"


def test_every_exit_code_is_on_the_page_with_its_meaning() -> None:
    for code, meaning in exit_codes.MEANINGS.items():
        assert re.search(rf"(?m)^\| {code} \| {re.escape(meaning)}", PAGE), f"{code}: {meaning}"


def test_what_serves_does_not_load_what_shows() -> None:
    """A worker is a command of this command line too; its memory is for events."""
    code = "import sys, gateway.cli; print([m for m in sys.modules if m.startswith(('gateway.commands', 'bench'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['gateway.commands']"


def test_each_lazy_command_is_there_under_its_name() -> None:
    assert all(commands()[name].name == name for name in MODULES)


@pytest.mark.parametrize("command", READING)
def test_a_directory_without_a_store_is_an_answer(tmp_path: Path, command: str) -> None:
    result = nowhere(tmp_path, *command.split())
    assert result.exit_code == exit_codes.STORE
    assert "no store is in" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("command", READING)
def test_a_store_of_a_newer_format_is_an_answer(tmp_path: Path, command: str) -> None:
    store = Store(tmp_path, budget_bytes=1 << 24)
    with store.env.begin(write=True) as txn:
        txn.put(b"format", b"99", db=store.dbs["meta"])
    store.close()
    result = nowhere(tmp_path, *command.split())
    assert result.exit_code == exit_codes.STORE
    assert "written by a newer gateway" in result.stderr


@pytest.mark.parametrize("command", READING)
def test_a_file_that_is_no_store_is_an_answer(tmp_path: Path, command: str) -> None:
    (tmp_path / "data.mdb").write_bytes(b"not a store" * 1_000)
    result = nowhere(tmp_path, *command.split())
    assert result.exit_code == exit_codes.STORE
    assert "cannot be opened" in result.stderr


@pytest.mark.parametrize("command", READING)
def test_another_program_s_lmdb_file_is_an_answer(tmp_path: Path, command: str) -> None:
    lmdb.open(str(tmp_path), max_dbs=1).close()
    result = nowhere(tmp_path, *command.split())
    assert result.exit_code == exit_codes.STORE
    assert result.stderr.count("\n") == 1


def test_a_wrong_server_section_is_told_and_a_missing_secret_is_no_hindrance(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    site = '[[sites]]\nid = "shop"\nwrite_keys = [{ env = "NOT_SET_ANYWHERE" }]\n'
    config.write_text(f'[server]\ndata_dir = "{tmp_path}/none"\n{site}')
    fine = CliRunner().invoke(cli, ["stream", "--config", str(config)])
    config.write_text(f'[server]\nbind = "nowhere"\n{site}')
    wrong = CliRunner().invoke(cli, ["stream", "--config", str(config)])
    assert (fine.exit_code, wrong.exit_code) == (exit_codes.STORE, exit_codes.USAGE)
    assert "server.bind" in wrong.stderr
    assert "NOT_SET_ANYWHERE" not in wrong.stderr


async def test_check_store_is_0_where_all_agrees_and_1_where_not(
    autojump_clock: MockClock, make_world: Callable[..., World]
) -> None:
    told = Told(make_world)
    await told.begin()
    await told.take(event("e-1"))
    clean = told.run("check-store")
    key = keys.event("shop", "e-1", "page_viewed")
    whole = put_event(told.world, key, b"damaged")
    broken = told.run("check-store", "--json")
    put_event(told.world, key, whole)
    assert (clean.exit_code, broken.exit_code) == (exit_codes.OK, exit_codes.FAILED)
    assert "all agrees" in clean.stdout
    assert '"problems":["' in broken.stdout


def put_event(world: World, key: bytes, row: bytes) -> bytes:
    """Puts another row of an event; returns the one that was there."""
    with world.store.env.begin(write=True) as txn:
        return txn.replace(key, row, db=world.store.dbs["event"]) or b""


def test_explain_wants_an_event_or_an_order() -> None:
    for arguments in (["explain"], ["explain", "e-1", "--order", "o-1"]):
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == exit_codes.USAGE
        assert "give an event id, or --order" in result.stderr


CTRL_C = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # as a terminal gives it, whatever started the tests
class CtrlC:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, CtrlC())
sys.argv[1:] = ["explain", "e-1"]
from gateway.__main__ import main
main()
"""


@pytest.mark.parametrize(
    "module", ["gateway.cli", "trio", "gateway.config", "gateway.commands.explain", "gateway.commands.story"]
)
def test_ctrl_c_while_a_command_is_loaded_ends_it_without_a_word(module: str) -> None:
    call = [sys.executable, "-c", CTRL_C.format(module=module)]
    ended = subprocess.run(call, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (exit_codes.INTERRUPTED, "", "")


def test_a_lifeline_that_is_no_pipe_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        for descriptor in (file.fileno(), 99_999):
            result = CliRunner().invoke(cli, ["run", "--lifeline", str(descriptor)])
            assert (result.exit_code, "is no open pipe" in result.output) == (exit_codes.USAGE, True)

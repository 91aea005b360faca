"""A mounted folder: what is listed, what is not, and that nothing outside is read."""

import io
import os
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from blocks.drive import Drive
from blocks.errors import AccessDenied, Misconfigured, NotThere
from blocks.place import bytes_of, text_of

NAMES = ["plain.csv", "with space.csv", "línea\nnueva.csv", "ünï/日本.csv", "\uef80.csv", "%2e%2e", "..csv", "😀"]


def names(folder: Path) -> list[str]:
    with Drive(path=folder).connect() as remote:
        return sorted(file.name for file in remote.list())


@pytest.mark.parametrize(
    "name", [b"a", "é".encode(), b"\xe9t\xe9", "\uef80".encode(), b"\xed\xa0\x80", bytes(range(1, 256))]
)
def test_every_name_has_a_text_that_leads_back_to_it(name: bytes) -> None:
    text = text_of(name)
    assert bytes_of(text) == name
    text.encode()  # is valid Unicode, unlike surrogateescape's


def test_lists_files_with_size_and_utc_time(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"1234")
    os.utime(tmp_path / "a.csv", (0, 1_700_000_000.5))
    with Drive(path=tmp_path).connect() as remote:
        (file,) = remote.list()
    assert (file.name, file.size) == ("a.csv", 4)
    assert file.mtime == datetime(2023, 11, 14, 22, 13, 20, 500_000, tzinfo=UTC)


def test_any_name_is_listed_and_opened(tmp_path: Path) -> None:
    (tmp_path / "ünï").mkdir()
    for name in NAMES:
        (tmp_path / name).write_text(name)
    raw = b"latin-\xe9.csv"
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + raw)).write_text("raw")
    assert names(tmp_path) == sorted([*(text_of(name.encode()) for name in NAMES), text_of(raw)])
    with Drive(path=tmp_path).connect() as remote:
        for name in NAMES:
            assert remote.open(text_of(name.encode())).read().decode() == name
        assert remote.open(text_of(raw)).read() == b"raw"


def test_links_are_followed_to_files_within_the_root_only(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "root-outside"
    (root / "sub").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (root / "sub" / "file").write_text("file")
    (root / "inner").symlink_to("sub/file")
    (root / "outer").symlink_to(outside / "secret")
    (root / "folder").symlink_to(outside)
    (root / "loop").symlink_to(".")
    (root / "dangling").symlink_to("nothing")
    os.mkfifo(root / "pipe")
    assert names(root) == ["inner", "sub/file"]
    with Drive(path=root).connect() as remote:
        assert remote.open("inner").read() == b"file"
        for name in ["outer", "folder/secret", "../root-outside/secret", "sub", "pipe", "", "/etc/passwd", "a\0b"]:
            with pytest.raises(NotThere):
                remote.open(name)


def test_a_root_that_is_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").touch()
    (tmp_path / "link").symlink_to("real")
    assert names(tmp_path / "link") == ["a"]


def test_streams_seek(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("member", b"x" * 1_000_000)
    with Drive(path=tmp_path).connect() as remote, remote.open("a.zip") as stream:
        assert isinstance(stream, io.BufferedReader)
        assert zipfile.ZipFile(stream).read("member") == b"x" * 1_000_000


def test_five_thousand_files(tmp_path: Path) -> None:
    for number in range(5_000):
        (tmp_path / f"{number}.csv").touch()
    assert len(names(tmp_path)) == 5_000


def test_check_says_what_is_wrong(tmp_path: Path) -> None:
    Drive(path=tmp_path).check()
    (tmp_path / "file").touch()
    for path in (tmp_path / "missing", tmp_path / "file"):
        with pytest.raises(NotThere, match=path.name):
            Drive(path=path).check()
    with pytest.raises(Misconfigured, match="absolute"):
        Drive(path=Path("relative")).check()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    (tmp_path / "a").touch(mode=0)
    with Drive(path=tmp_path).connect() as remote, pytest.raises(AccessDenied):
        remote.open("a")

"""Files of computed prefixes: found again, kept within their quota, and never trusted."""

import os
import stat
from pathlib import Path

import pytest

from mlx_worker.disk_cache import AGAIN_SECONDS, SHORTEST, DiskCache, read_head
from mlx_worker.prefix_cache import PrefixCache
from mlx_worker.prefix_entry import Cut, Entry, Kind
from tests.support.fake_runner import FakeRunner

RUNNER = FakeRunner()


def disk_of(folder: Path, quota: int = 1 << 30, fingerprint: str = "fake") -> DiskCache:
    return DiskCache(folder, quota, fingerprint, RUNNER.save, RUNNER.load)


def entry(start: int, *, length: int = 300, kind: Kind = "user", cuts: bool = False) -> Entry[list[int]]:
    tokens = list(range(start, start + length))
    cache: PrefixCache[list[int]] = PrefixCache(1 << 30)
    ends = {end: Cut(tokens[:end], 1) for end in (length // 2, length)} if cuts else None
    cache.store(tokens, tokens, nbytes=length, kind=kind, cuts=ends, session="s")
    return next(iter(cache))


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.safetensors"))


@pytest.mark.parametrize("cuts", [False, True])
def test_what_was_written_is_found_again_after_a_restart(tmp_path: Path, cuts: bool) -> None:
    written = entry(1, cuts=cuts)
    disk_of(tmp_path).put(written)
    disk = disk_of(tmp_path)
    hit = disk.find([*written.tokens, 7], longer_than=0)
    assert hit is not None
    assert (hit.length, hit.entry.kind, hit.entry.session) == (300, "user", "s")
    taken = disk.take(hit.entry)
    assert taken is not None
    kv, found = taken
    assert kv == list(written.tokens)
    assert sorted(found or ()) == ([150, 300] if cuts else [])


def test_files_and_folders_are_the_users_own(tmp_path: Path) -> None:
    disk_of(tmp_path / "cache").put(entry(1))
    (file,) = files(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_only_what_saves_much_more_than_memory_does_is_worth_reading(tmp_path: Path) -> None:
    disk = disk_of(tmp_path)
    disk.put(entry(1))
    asked = [*range(1, 301), 7]
    assert disk.find(asked, longer_than=300 - SHORTEST + 1) is None
    assert disk.find(asked, longer_than=300 - SHORTEST) is not None


def test_a_short_prefix_and_one_that_is_there_already_are_not_wanted(tmp_path: Path) -> None:
    disk = disk_of(tmp_path)
    assert not disk.wants(entry(1, length=SHORTEST - 1))
    assert disk.wants(entry(1))
    disk.put(entry(1))
    assert not disk.wants(entry(1))


def test_a_longer_conversation_replaces_the_file_of_its_beginning(tmp_path: Path) -> None:
    disk = disk_of(tmp_path)
    disk.put(entry(1, length=300))
    disk.put(entry(1, length=400))
    assert len(disk) == len(files(tmp_path)) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: b"\xff" * 8 + content,
    ],
    ids=["one bit", "half", "nothing", "a false head"],
)
@pytest.mark.parametrize("restart", [False, True])
def test_a_damaged_file_is_dropped_and_never_served(
    tmp_path: Path, damage: object, restart: bool, caplog: pytest.LogCaptureFixture
) -> None:
    disk = disk_of(tmp_path)
    disk.put(entry(1))
    (file,) = files(tmp_path)
    file.write_bytes(damage(file.read_bytes()))  # type: ignore[operator]
    disk = disk_of(tmp_path) if restart else disk
    hit = disk.find([*range(1, 301), 7], longer_than=0)
    assert hit is None or disk.take(hit.entry) is None
    assert not files(tmp_path)
    assert disk.find([*range(1, 301), 7], longer_than=0) is None
    assert "dropped" in caplog.text


def test_another_models_files_are_left_alone_and_not_found(tmp_path: Path) -> None:
    disk_of(tmp_path, fingerprint="other").put(entry(1))
    disk = disk_of(tmp_path)
    assert disk.find([*range(1, 301), 7], longer_than=0) is None
    assert len(files(tmp_path)) == 1


def test_a_file_moved_to_another_model_is_dropped(tmp_path: Path) -> None:
    disk_of(tmp_path, fingerprint="other").put(entry(1))
    (file,) = files(tmp_path)
    (tmp_path / "fake").mkdir()
    file.rename(tmp_path / "fake" / file.name)
    assert len(disk_of(tmp_path)) == 0
    assert not files(tmp_path)


def test_the_quota_is_for_all_models_and_the_oldest_goes_first(tmp_path: Path) -> None:
    other = disk_of(tmp_path, fingerprint="other")
    other.put(entry(1))
    size = files(tmp_path)[0].stat().st_size
    disk = disk_of(tmp_path, quota=3 * size)
    for start in (1000, 2000, 3000):
        disk.put(entry(start))
    left = [read_head(file)["fingerprint"] for file in files(tmp_path)]
    assert "other" not in left
    assert 0 < len(left) <= 3
    assert disk.find([*range(3000, 3300), 7], longer_than=0) is not None


def test_what_passes_the_quota_alone_is_not_written(tmp_path: Path) -> None:
    assert not disk_of(tmp_path, quota=100).wants(entry(1))


def test_a_disk_that_cannot_be_written_costs_the_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [1000.0]
    disk = DiskCache(tmp_path, 1 << 30, "fake", RUNNER.save, RUNNER.load, clock=lambda: now[0])

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk, "_save", full)
    disk.put(entry(1))
    assert "No space left" in caplog.text
    assert not list(tmp_path.rglob("*.tmp*"))
    assert not disk.wants(entry(1)), "it is not tried again at once, which takes as long as writing it"
    now[0] += AGAIN_SECONDS
    assert disk.wants(entry(1))


def test_what_a_killed_worker_left_half_written_is_no_prefix(tmp_path: Path) -> None:
    disk = disk_of(tmp_path)
    disk.put(entry(1))
    half = files(tmp_path)[0].parent / ".99999.tmp.safetensors"
    half.write_bytes(b"half")
    assert len(disk_of(tmp_path)) == 1
    assert not half.exists()


def test_the_order_of_use_survives_a_restart(tmp_path: Path) -> None:
    disk = disk_of(tmp_path)
    for place, start in enumerate((1000, 2000)):
        disk.put(entry(start))
        newest = max(files(tmp_path), key=lambda file: file.stat().st_mtime_ns)
        os.utime(newest, (place, place))
    hit = disk.find([*range(1000, 1300), 7], longer_than=0)
    assert hit is not None
    disk.take(hit.entry)
    assert [item.tokens[0] for item in disk_of(tmp_path)] == [2000, 1000]


def test_a_folder_that_others_can_write_is_not_used(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(PermissionError, match="yours alone"):
        disk_of(shared)

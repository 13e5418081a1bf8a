"""Opening the database: migrated where it is old, refused where it is newer, set aside where it is damaged."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import psutil
import pytest

from core.errors import UserError
from core.home import Home
from core.store import migrations, schema
from core.store.schema import VERSION, connect, on_network, transaction, translated


def test_a_new_database_has_this_programs_version(home: Home) -> None:
    database = connect(home)

    assert database.execute("PRAGMA user_version").fetchone() == (VERSION,) == (len(migrations.STEPS),)
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert [row[0] for row in database.execute("SELECT name FROM _sqlite_migrations")] == ["first_tables"]
    database.close()


def test_sqlite_utils_is_imported_only_to_migrate(home: Home) -> None:
    connect(home).close()
    script = "import sys; from pathlib import Path; from core.home import Home; from core.store.store import Store\n"
    script += "Store(Home(Path(sys.argv[1]))).close(); print('sqlite_utils' in sys.modules, 'torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", script, str(home.root)], capture_output=True, text=True, check=True)

    assert answer.stdout.split() == ["False", "False"]


def test_several_processes_may_make_the_database_at_once(home: Home) -> None:
    script = "import sys; from pathlib import Path; from core.home import Home; from core.store.schema import connect\n"
    script += "connect(Home(Path(sys.argv[1]))).close()"
    makers = [subprocess.Popen([sys.executable, "-c", script, str(home.root)]) for _ in range(3)]

    assert [maker.wait() for maker in makers] == [0, 0, 0]


def test_a_newer_database_is_refused_and_left_alone(home: Home) -> None:
    database = connect(home)
    database.execute(f"PRAGMA user_version = {VERSION + 1}")
    database.close()

    with pytest.raises(UserError, match="newer Rankloom") as caught:
        connect(home)
    assert "Update" in caught.value.hint
    assert home.database.exists()


@pytest.mark.parametrize("damage", ["not a database at all " * 400, ""])
def test_a_damaged_database_is_set_aside_and_the_next_start_goes_on(home: Home, damage: str) -> None:
    connect(home).close()
    whole = home.database.read_bytes()
    broken = damage.encode() or whole[:100] + b"\xff" * 4000 + whole[4100:]
    home.database.write_bytes(broken)

    with pytest.raises(UserError, match="damaged"):
        connect(home)
    assert [path.read_bytes() for path in home.root.glob("rankloom.db.damaged-*")] == [broken]
    connect(home).close()


def test_two_damaged_databases_are_both_kept(home: Home) -> None:
    for text in ("first " * 400, "second " * 400):
        home.database.write_text(text, encoding="utf-8")
        with pytest.raises(UserError, match="kept as"):
            connect(home)

    assert len(list(home.root.glob("rankloom.db.damaged-*"))) == 2


def test_a_folder_in_the_place_of_the_database_is_said_in_words(home: Home) -> None:
    home.database.mkdir()

    with pytest.raises(UserError, match="cannot be opened"):
        connect(home)


def test_on_a_network_file_system_the_journal_is_not_wal(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "on_network", lambda path: True)
    database = connect(home)

    assert database.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    database.close()


Mount = namedtuple("Mount", "device mountpoint fstype opts")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("nfs4", True), ("fuse.sshfs", True), ("cifs", True), ("ext4", False), ("apfs", False), ("tmpfs", False)],
)
def test_the_innermost_mount_says_whether_a_file_is_on_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, expected: bool
) -> None:
    root = tmp_path.resolve()
    mounts = [Mount("a", root.anchor, "nfs" if not expected else "ext4", "rw"), Mount("b", str(root), kind, "rw")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: mounts)

    assert on_network(root / "rankloom.db") is expected


def test_a_failing_transaction_leaves_nothing(home: Home) -> None:
    database = connect(home)
    with pytest.raises(sqlite3.IntegrityError), transaction(database):
        database.execute("INSERT INTO commands (run, kind) VALUES ('a', 'stop')")
        database.execute("INSERT INTO commands (run, kind) VALUES ('a', NULL)")

    assert database.execute("SELECT count(*) FROM commands").fetchone() == (0,)
    database.close()


def test_a_mistake_in_our_own_sql_stays_a_bug(home: Home) -> None:
    database = connect(home)
    with pytest.raises(sqlite3.OperationalError), translated(home.database):
        database.execute("SELECT nothing FROM nowhere")
    database.close()


def test_a_full_disk_is_said_in_words(home: Home) -> None:
    database = connect(home)
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(UserError, match="is full"), translated(home.database):
        database.execute("INSERT INTO vectors VALUES ('a', 'b', 1, zeroblob(1000000))")
    database.close()

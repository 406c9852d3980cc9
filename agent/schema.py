"""The tables of the store, as migrations that run once each and in order; `user_version` remembers how many have run."""

from collections.abc import Callable
from pathlib import Path

from agent.errors import BadConfig
from agent.sqlite import Connection

Migration = Callable[[Connection], None]
MIGRATIONS: list[Migration] = []


def migration(step: Migration) -> Migration:
    MIGRATIONS.append(step)
    return step


def refuse_newer(file: Path, version: int) -> None:
    """Raises `BadConfig` for a file whose tables this release does not know."""
    if version > len(MIGRATIONS):
        raise BadConfig(
            f"{file}: a newer release wrote this store (version {version}, this one knows {len(MIGRATIONS)}); "
            "install that release again or name another agent.state_dir; the file was left as it is"
        )


def migrate(db: Connection) -> None:
    """Brings the tables up to this release, each step in a transaction of its own."""
    version = db.number("PRAGMA user_version")
    refuse_newer(db.file, version)
    for number, step in enumerate(MIGRATIONS[version:], version + 1):
        with db.transaction():
            step(db)
            db.execute(f"PRAGMA user_version = {number}")


@migration
def m001_two_queues(db: Connection) -> None:
    """Columns beside `key` and `value` are there for an index, or change too often to write the value again."""
    db.execute(
        "CREATE TABLE spool (key TEXT PRIMARY KEY, value BLOB, put_ms INTEGER NOT NULL DEFAULT 0,"
        " next_ms INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0)"
    )
    # An index ends with the rowid: among the rows that are due, which all say 0, it is in the order of arrival.
    db.execute("CREATE INDEX spool_due ON spool (next_ms)")
    db.execute("CREATE TABLE pictures (key TEXT PRIMARY KEY, stage INTEGER NOT NULL DEFAULT 2, value BLOB)")
    db.execute("CREATE INDEX pictures_stage ON pictures (stage)")
    # AUTOINCREMENT: a number is never given twice, even after the row that had it was sent and evicted.
    db.execute(
        "CREATE TABLE outbox (sequence INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, value BLOB,"
        " put_ms INTEGER NOT NULL DEFAULT 0)"
    )
    db.execute(
        "CREATE TABLE sent (sequence INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, value BLOB,"
        " put_ms INTEGER NOT NULL DEFAULT 0, sent_ms INTEGER NOT NULL DEFAULT 0)"
    )
    db.execute("CREATE INDEX sent_put ON sent (put_ms)")
    db.execute("CREATE INDEX sent_sent ON sent (sent_ms)")


@migration
def m002_ledger(db: Connection) -> None:
    db.execute(
        "CREATE TABLE ledger (key TEXT PRIMARY KEY, value BLOB, provider TEXT, read_id TEXT, price REAL NOT NULL DEFAULT 0,"
        " booked_ms INTEGER NOT NULL DEFAULT 0, outcome TEXT)"
    )
    db.execute("CREATE INDEX ledger_spent ON ledger (booked_ms, provider, price)")
    db.execute("CREATE INDEX ledger_read ON ledger (read_id)")
    db.execute("CREATE INDEX ledger_open ON ledger (booked_ms) WHERE outcome IS NULL")


@migration
def m003_what_is_known_and_what_was_lost(db: Connection) -> None:
    db.execute("CREATE TABLE facts (key TEXT PRIMARY KEY, value BLOB)")
    db.execute("CREATE TABLE audits (key TEXT PRIMARY KEY, value BLOB)")
    db.execute(
        "CREATE TABLE damaged (id INTEGER PRIMARY KEY, source TEXT NOT NULL, number INTEGER, key TEXT, value BLOB,"
        " told INTEGER NOT NULL DEFAULT 0)"
    )
    db.execute("CREATE INDEX damaged_told ON damaged (told)")


@migration
def m004_pictures_seen(db: Connection) -> None:
    """What a provider said of a picture, by its name and the SHA-256 of the JPEG."""
    db.execute("CREATE TABLE seen (key TEXT PRIMARY KEY, value BLOB, read_id TEXT, put_ms INTEGER NOT NULL DEFAULT 0)")
    db.execute("CREATE INDEX seen_put ON seen (put_ms)")


@migration
def m005_what_stands_and_who_came(db: Connection) -> None:
    """Patches of what stands before a camera; and by gate and VIN, when that was seen last."""
    db.execute("CREATE TABLE standing (key TEXT PRIMARY KEY, value BLOB, camera TEXT, put_ms INTEGER NOT NULL DEFAULT 0)")
    db.execute("CREATE INDEX standing_camera ON standing (camera, put_ms)")
    db.execute("CREATE TABLE arrivals (key TEXT PRIMARY KEY, value BLOB, put_ms INTEGER NOT NULL DEFAULT 0)")
    db.execute("CREATE INDEX arrivals_put ON arrivals (put_ms)")


@migration
def m006_what_is_sent_again(db: Connection) -> None:
    """Numbers of events that were sent and are wanted once more; a number asked for twice stands here once."""
    db.execute("CREATE TABLE replays (sequence INTEGER PRIMARY KEY, asked_ms INTEGER NOT NULL DEFAULT 0)")


@migration
def m007_told_while_nobody_vouched_for_the_clock(db: Connection) -> None:
    db.execute("CREATE TABLE unsure (key TEXT PRIMARY KEY, value BLOB, boot_id TEXT)")
    db.execute("CREATE INDEX unsure_boot ON unsure (boot_id)")


@migration
def m008_what_need_not_be_written(db: Connection) -> None:
    """Each index cost the card two pages for every row that came or moved.

    Where a picture is on its way stands in the queues. The column `stage` stays and means nothing: without it every picture would have
    to be written anew.
    """
    for index in ("pictures_stage", "sent_put", "sent_sent", "arrivals_put", "spool_due"):
        db.execute(f"DROP INDEX {index}")
    # Those that wait, and those that came with a reading: most vehicles never do either.
    db.execute("CREATE INDEX spool_waits ON spool (next_ms) WHERE next_ms > 0")


@migration
def m009_pictures_in_files(db: Connection) -> None:
    """`bytes` is the size of the file that has the picture, whose checksum is the value; NULL where the value is the picture."""
    db.execute("ALTER TABLE pictures ADD COLUMN bytes INTEGER")

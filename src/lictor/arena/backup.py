"""One file that holds an arena, and the arena made of it again, on either kind of database.

In: a store. Out: a gzip file of JSON lines, one a row; or the rows back in an empty database, the log's chain checked.
Sessions are left out: everybody signs in again after a restore.
"""

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import func, select

from lictor.arena.schema import TABLES, event, session
from lictor.arena.store import Store
from lictor.errors import ArtifactError

FORMAT = "lictor-arena-backup-1"


def backup(store: Store, path: Path) -> int:
    """Rows written to `path`, which is replaced whole; one consistent view, also while the arena is played.

    Raises:
        ArtifactError: The disk refused.
    """
    staging = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    count = 0
    try:
        with store.transaction() as connection, gzip.open(staging, "wt", encoding="utf-8") as out:
            out.write(json.dumps({"format": FORMAT}) + "\n")
            for table in TABLES:
                if table is session:
                    continue
                for row in connection.execute(select(table).order_by(*table.primary_key.columns)).mappings():
                    out.write(json.dumps([table.name, dict(row)]) + "\n")
                    count += 1
            out.write(json.dumps({"rows": count}) + "\n")
        staging.replace(path)
    except OSError as error:
        raise ArtifactError(f"{path}: could not write the backup ({error.strerror or error})") from error
    finally:
        staging.unlink(missing_ok=True)
    return count


def restore(store: Store, path: Path) -> int:
    """Rows put into an empty arena, all or none.

    Raises:
        ArtifactError: The file is no whole backup, or the arena is not empty.
    """
    tables = {table.name: table for table in TABLES}
    count = 0
    with store.transaction(write=True) as connection:
        if connection.execute(select(func.count()).select_from(event)).scalar():
            raise ArtifactError(f"{store.shown}: expected an empty database to restore into, this one holds an arena")
        for name, row in _rows(path):
            connection.execute(tables[name].insert().values(**row))
            count += 1
    store.verify()
    return count


def _rows(path: Path) -> Iterator[tuple[str, dict[str, object]]]:
    count, ended = 0, False
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            if json.loads(next(lines, "null")) != {"format": FORMAT}:
                raise ArtifactError(f"{path}: expected a backup of an arena ({FORMAT}), got something else")
            for line in lines:
                row = json.loads(line)
                if isinstance(row, dict):
                    ended = row == {"rows": count}
                    break
                count += 1
                yield str(row[0]), row[1]
    except (OSError, EOFError, ValueError) as error:
        raise ArtifactError(f"{path}: expected a whole backup, could not read it ({error})") from error
    if not ended:
        raise ArtifactError(f"{path}: expected a whole backup, this one ends after {count} rows")

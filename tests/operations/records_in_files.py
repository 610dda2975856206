"""Records in a folder, so that they outlive a run that is killed, and others may look at them while it runs."""

from contextlib import suppress
from pathlib import Path

from catalyx_dr.adapters.records import LegibleRecords, newest_first
from catalyx_dr.model.record import Record, RecordKind, object_name


class FileRecords:
    """A record store in a folder; each record appears whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)

    def save(self, record: Record) -> None:
        unfinished = self._folder / "unfinished"
        unfinished.write_text(record.model_dump_json())
        unfinished.rename(self._file(record.object_name))

    def find(self, kind: RecordKind, validator: str, identifier: str) -> Record | None:
        return self._read(self._file(object_name(kind, validator, identifier)))

    def list(self, validator: str | None = None, kind: RecordKind | None = None) -> list[Record]:
        read = (self._read(path) for path in self._folder.glob("*.json"))
        return newest_first(
            one for one in read if one and validator in (None, one.validator) and kind in (None, one.kind)
        )

    def legible(self, validator: str | None = None, kind: RecordKind | None = None) -> LegibleRecords:
        return LegibleRecords(self.list(validator, kind))

    def delete(self, record: Record) -> None:
        self._file(record.object_name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _read(self, path: Path) -> Record | None:
        with suppress(FileNotFoundError):  # a run may have forgotten it after it was listed
            return Record.model_validate_json(path.read_text())
        return None

"""A Pulumi project's stack files, read as the engine reads them, without opening what is encrypted in them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from catalyx_dr.model.errors import MissingError, SpecError

_PROJECT_FILES = ("Pulumi.yaml", "Pulumi.yml")
# From here on Go writes a float with an exponent.
_LARGEST_WHOLE = 10**21


@dataclass(frozen=True)
class StackFile:
    """`settings`: the project's own keys without its name; `cluster`: keys of `kubernetes:` in clear."""

    settings: Mapping[str, Any]
    cluster: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StackProject:
    """A folder with Pulumi.yaml: the project's name, defaults of its settings, and where its stack files are."""

    folder: Path
    name: str
    defaults: Mapping[str, Any]
    stacks: Path

    @classmethod
    def around(cls, folder: Path) -> "StackProject":
        """The project of `folder`, or of the nearest folder above it; raises MissingError when there is none."""
        start = folder.resolve()
        for candidate in (start, *start.parents):
            for name in _PROJECT_FILES:
                if (candidate / name).is_file():
                    return cls._read(candidate, candidate / name)
        raise MissingError(f"{folder} is in no Pulumi project: there is no Pulumi.yaml in it or above it; go there")

    @classmethod
    def _read(cls, folder: Path, path: Path) -> "StackProject":
        document = _mapping(read_yaml(_text(path), path.name), path.name)
        name = str(document.get("name", ""))
        defaults = {}
        for key, declared in _mapping(document.get("config") or {}, f"{path.name}: config").items():
            own = str(key).removeprefix(f"{name}:")
            for source in ("default", "value"):
                if ":" not in own and isinstance(declared, Mapping) and source in declared:
                    defaults[own] = declared[source]
        return cls(folder, name, defaults, folder / str(document.get("stackConfigDir", "")))

    def path(self, stack: str) -> Path:
        """File of `stack`: a name (`prod`, `organization/prod`), or the file itself."""
        if stack.endswith((".yaml", ".yml")):
            return Path(stack).resolve()
        return self.stacks / f"Pulumi.{stack.rpartition('/')[2]}.yaml"

    def read(self, stack: str) -> StackFile:
        """Stack file as it lies there; raises MissingError, or SpecError for what is no stack file."""
        path = self.path(stack)
        if not path.is_file():
            names = sorted(one.name.split(".")[1] for one in self.stacks.glob("Pulumi.*.yaml"))
            raise MissingError(
                f"there is no stack {stack!r}: {path} is missing; its folder has {', '.join(names) or 'none'}"
            )
        return self.parse(_text(path), path.name)

    def parse(self, text: str, name: str) -> StackFile:
        """Stack file from its text; `name` is for errors."""
        document = _mapping(read_yaml(text, name), name)
        for key in document:
            if ":" in str(key):
                raise SpecError(f"{key}: stands outside of config, where the engine ignores it; write it under config")
        config = document.get("config") or {}
        if not isinstance(config, Mapping):
            raise SpecError(f"config: found no mapping; allowed: keys such as {self.name}:agent")
        settings: dict[str, dict[str, Any]] = {}
        for key, value in config.items():
            # The engine takes a key without a prefix for one of the project.
            prefix, _, setting = str(key).rpartition(":")
            settings.setdefault(prefix or self.name, {})[setting] = value
        for prefix in get_close_matches(self.name, settings, cutoff=0.8):
            if prefix != self.name:
                raise SpecError(f"config.{prefix}:{next(iter(settings[prefix]))}: {self.name}: is meant, not {prefix}:")
        cluster = {key: value for key, value in settings.get("kubernetes", {}).items() if isinstance(value, str)}
        return StackFile({**self.defaults, **settings.get(self.name, {})}, cluster)


def read_yaml(text: str, name: str) -> Any:
    """Read YAML as the engine does: `yes` is a text, a key written twice is refused; raises SpecError."""
    try:
        document = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader with other scalars
        _check_ends(document, ())
    except yaml.MarkedYAMLError as error:
        place = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise SpecError(f"{name}: {place}{_told(error)}") from None
    except yaml.reader.ReaderError as error:
        raise SpecError(f"{name}: character #x{error.character:04x} cannot be in YAML; remove it") from None
    except RecursionError:
        raise SpecError(f"{name}: its blocks are nested too deep, or one holds itself; write them out") from None
    except (yaml.YAMLError, ValueError):
        raise SpecError(f"{name}: holds a number that is too long; quote it if it is a text") from None
    return document


def _check_ends(value: Any, around: tuple[int, ...]) -> None:
    """Raise RecursionError for a block that holds itself by an alias."""
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    if id(value) in around:
        raise RecursionError
    for one in inner:
        _check_ends(one, (*around, id(value)))


_ALIAS = "{}; a text that begins with * needs quotes, for example cron: '*/5 * * * *'"
# What the parser says, and how it is told; the first that fits.
_WAYS_OUT = {
    "expected alphabetic or numeric character": _ALIAS,
    "undefined alias": _ALIAS,
    "'\\t'": "{}; indent with blanks, not with tabs",
    "cannot start any token": "{}; a text that begins with it needs quotes, for example cron: '@daily'",
    "mapping values are not allowed": "{}; a text with a colon and a blank in it needs quotes",
    "<block end>": "begins in a column where nothing above begins, or follows a quote that is not closed",
    "unhashable key": "{}; a text that begins with {{ needs quotes",
    "another document": "a second document begins; a stack file is one, without --- in it",
}


def _told(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "is no YAML"
    return next((words for sign, words in _WAYS_OUT.items() if sign in problem), "{}").format(problem)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SpecError(f"{path.name}: is no UTF-8 from its byte {error.start + 1} on; save it as UTF-8") from None
    except OSError as error:
        raise SpecError(f"{path.name}: {error.strerror}; see that it can be read") from None


def _mapping(document: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(document, Mapping):
        raise SpecError(f"{name}: found no mapping; allowed: a YAML file with keys such as config")
    return document


class _Loader(yaml.SafeLoader):
    """Scalars of YAML 1.2 with the integers of 1.1, which is what the engine's own library reads."""

    yaml_implicit_resolvers: dict[str, list[Any]] = {}  # noqa: RUF012 - declared so by the library

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a key that is written twice; one of a merged mapping gives way silently."""
        seen: dict[str, int] = {}
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge" or not isinstance(key, yaml.ScalarNode):
                continue
            line = key.start_mark.line + 1
            if key.value in seen:
                problem = f"key {key.value!r} is written twice, first in line {seen[key.value]}"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen[key.value] = line
        return super().construct_mapping(node, deep)


def _integer(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node).replace("_", ""), 0)


def _float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    """The engine hands 6e12 over as a whole number."""
    number = float(loader.construct_scalar(node))
    return int(number) if number.is_integer() and abs(number) < _LARGEST_WHOLE else number


def _leading_zero(_: yaml.SafeLoader, node: yaml.ScalarNode) -> Any:
    problem = f"{node.value} begins with 0, so that YAML reads another number; write it without, or quote a text"
    raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _date(_: yaml.SafeLoader, node: yaml.ScalarNode) -> Any:
    problem = f"{node.value} is a date, which the engine writes in another way; quote it if it is a text"
    raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("leading-zero", r"[-+]?0[0-9_]+", "-+0"),
    ("date", r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:(?:[Tt]| +)[0-9]{1,2}:[0-9:.]+(?: *[-+Z][0-9:]*)?)?", "0123456789"),
    ("int", r"[-+]?(?:0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[1-9][0-9_]*|0)", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))
_Loader.add_constructor("tag:yaml.org,2002:leading-zero", _leading_zero)
_Loader.add_constructor("tag:yaml.org,2002:date", _date)
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:float", _float)

"""The project's own rules find what they forbid, and nothing else."""

from collections.abc import Callable
from pathlib import Path

import pytest
from scripts.checks import declarations, domain_imports, features, file_length, injected_runtime, pins

SERVICE = "services/x/roundhouse_x"
Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file of a pretended checkout at `tmp_path`."""

    def put(name: str, text: str) -> None:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    return put


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.time()",
        "import time as t\nt.monotonic()",
        "from time import time_ns as now\nnow()",
        "import datetime\ndatetime.datetime.now()",
        "from datetime import datetime\ndatetime.utcnow()",
        "import random\nrandom.choice([1])",
        "from uuid import uuid4\nuuid4()",
        "import uuid_utils\nuuid_utils.uuid7()",
    ],
)
def test_reading_the_real_world_is_found(write: Write, tmp_path: Path, source: str) -> None:
    write(f"{SERVICE}/domain/a.py", source)
    assert len(injected_runtime.check(tmp_path)) == 1


@pytest.mark.parametrize(
    ("name", "source"),
    [
        (f"{SERVICE}/a.py", "import random\nrandom.Random(7).random()"),
        (f"{SERVICE}/a.py", "clock.now()\ntime.sleep(1)"),
        ("libs/common/roundhouse_common/runtime.py", "import time\ntime.time()"),
        ("services/node-agent/roundhouse_node_agent/processes/shim.py", "import time\ntime.time()"),
    ],
)
def test_injected_and_exempt_code_passes(write: Write, tmp_path: Path, name: str, source: str) -> None:
    write(name, source)
    assert injected_runtime.check(tmp_path) == []


@pytest.mark.parametrize(
    ("source", "findings"),
    [
        ("import sqlalchemy", 1),
        ("from roundhouse_common.bus.api import Bus", 1),
        ("from roundhouse_x.store import ledger", 1),
        ("from roundhouse_common import bus", 1),
        ("import enum, msgspec", 0),
        ("from roundhouse_common.contracts.usage import UsageRecord", 0),
        ("from roundhouse_common import errors", 0),
        ("from roundhouse_common.sizing import memory_need", 0),
        ("from roundhouse_common.words import quoted", 0),
        ("from roundhouse_x.domain import rules", 0),
    ],
)
def test_a_domain_imports_contracts_and_nothing_above(write: Write, tmp_path: Path, source: str, findings: int) -> None:
    write(f"{SERVICE}/domain/a.py", source)
    assert len(domain_imports.check(tmp_path)) == findings


def test_a_file_of_501_lines_is_too_long(write: Write, tmp_path: Path) -> None:
    write(f"{SERVICE}/long.py", "x\n" * 501)
    write(f"{SERVICE}/full.py", "x\n" * 500)
    assert file_length.check(tmp_path) == [f"{SERVICE}/long.py: 501 lines; 500 are the most"]


def test_pins_without_hashes_and_with_addresses_are_found(write: Write, tmp_path: Path) -> None:
    write("requirements/good.txt", "a==1 \\\n    --hash=sha256:00\n    # via b\nc==2 \\\n    --hash=sha256:11\n")
    assert pins.check(tmp_path) == []
    write("requirements/bad.txt", "--index-url https://example.org/simple\na==1\n")
    assert len(pins.check(tmp_path)) == 2


def test_a_feature_needs_a_known_state_and_a_proof_that_exists(write: Write, tmp_path: Path) -> None:
    write("tests/test_proof.py", "import pytest\n\n@pytest.mark.contract('Z99', 'A05')\ndef test(): ...\n")
    write(
        "docs/features.md",
        "| A01 | one | done | `tests/test_proof.py` |\n| A02 | two | partial |  |\n"
        "| A03 | three | perhaps |  |\n| A04 | four | done | `tests/gone.py` |\n| A38 | five | planned |  |\n"
        "| A05 | six | planned |  |\n",
    )
    found = "\n".join(features.check(tmp_path))
    assert "A01:" not in found
    assert "A02: no proof" in found
    assert "A03: state 'perhaps'" in found
    assert "A04: proof tests/gone.py does not exist" in found
    assert "A38 is not an id of the checklist" in found
    assert "B01 has no row" in found
    assert "contract('Z99') is not in" in found
    assert "contract('A05') is called planned" in found


_COUNTER = """
class Base:
    def __init__(self):
        self.first = 1

class Counter(Base):
    __slots__ = ("total",)
    name = "a constant of the class"

    def add(self, number, times=1):
        self.total += number * times

    @property
    def half(self):
        return self.total / 2

def most(counters):
    return max(counters)
"""
_DECLARED = """
from other cimport Other

cdef class Base:
    cdef public long first

cdef class Counter(Base):
    cdef readonly double total  # of all
    @cython.locals(number=double)
    cpdef add(self, double number, times=*)

cpdef most(list counters)
"""


@pytest.mark.parametrize(
    ("old", "new", "findings"),
    [
        ("", "", []),
        ("double total", "double total, spare", ["Counter never sets spare"]),
        ("double total", "double spare", ["Counter never sets spare", "Counter sets total, which is not declared"]),
        ("add(self, double number, times=*)", "add(self)", ["Counter.add() has another number of arguments"]),
        ("cpdef add", "cpdef subtract", ["there is no Counter.subtract()"]),
        ("cpdef most", "cpdef list least", ["there is no least()"]),
        ("cdef class Base", "cdef class Bottom", ["there is no class Bottom"]),
        ("long first", "long first, second", ["Base never sets second"]),
    ],
)
def test_declarations_for_the_compiler_fit_their_module(
    write: Write, tmp_path: Path, old: str, new: str, findings: list[str]
) -> None:
    write(f"{SERVICE}/counter.py", _COUNTER)
    write(f"{SERVICE}/counter.pxd", _DECLARED.replace(old, new, 1))
    assert [text.partition(": ")[2] for text in declarations.check(tmp_path)] == findings


def test_a_declaration_has_its_module(write: Write, tmp_path: Path) -> None:
    write(f"{SERVICE}/alone.pxd", "# compiled as it is")
    assert declarations.check(tmp_path) == [f"{SERVICE}/alone.pxd: there is no alone.py beside it"]


def test_the_routers_own_declarations_fit() -> None:
    root = Path(__file__).parents[3]
    assert list((root / "services" / "router").rglob("*.pxd"))
    assert declarations.check(root) == []

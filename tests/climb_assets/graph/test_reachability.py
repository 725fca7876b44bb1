"""What a function reaches, shown by edits of small packages: one changes the code of those that reach it, no other."""

import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from climb_assets.errors import ConfigError
from climb_assets.graph.code_identity import CodeReader

TICKS = itertools.count(1)


class Tiny:
    """A small package on the disk, read as ours is."""

    def __init__(self, folder: Path, files: dict[str, str], left_out: dict[str, str] | None = None) -> None:
        self.folder = folder / "tiny"
        for name, text in {"__init__.py": "", **files}.items():
            self.write(name, text)
        self.reader = CodeReader(self.folder, left_out or {})

    def write(self, name: str, text: str) -> None:
        """Write a file, later than any other: within one tick of the clock, two edits may share a time stamp."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, ns=(next(TICKS), next(TICKS)))

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text in a file, where it stands once."""
        text = (self.folder / name).read_text()
        assert text.count(old) == 1, old
        self.write(name, text.replace(old, new))

    def code(self, function: str) -> dict[str, str]:
        """Return the code of a function, given as ``module:function``."""
        return self.reader.code_of(f"tiny.{function}")


# Each edit is of the one file that holds the old text. `f` of m.py reaches it; a `g` of m.py or n.py does not.
EDITS = {
    "default of the same name": ("A = 1", "A = 2", "A = 1\ndef f(A=A): return A\ndef g(): pass\n"),
    "default of a lambda": ("A = 1", "A = 2", "A = 1\ndef f(): return lambda A=A: A\ndef g(): pass\n"),
    "argument of a decorator": ("A = 1", "A = 2", "import d\nA = 1\n@d.d(A)\ndef f(): pass\ndef g(): pass\n"),
    "width in an f-string": ("A = 1", "A = 2", "A = 1\ndef f(x): return f'{x:{A}}'\ndef g(): pass\n"),
    "remark in a type": ("A = 1", "A = 2", "A = 1\ndef f(x: Annotated[int, A]): pass\ndef g(): pass\n"),
    "guard of a case": (
        "A = 1",
        "A = 2",
        "A = 1\ndef f(x):\n    match x:\n        case y if y > A: pass\ndef g(): pass\n",
    ),
    "value that a case captures": (
        "A = 1",
        "A = 2",
        "A = 1\ndef f(x):\n    match x:\n        case {'a': B, **more}: return A\ndef g(): pass\n",
    ),
    "dispatch by type": (
        "return 1",
        "return 2",
        "import functools\n@functools.singledispatch\ndef f(x): pass\n@f.register\ndef _(x: int): return 1\n",
        {"n.py": "def g(): pass\n"},
    ),
    "variable that a method sets": (
        "A = 2",
        "A = 3",
        "A = 1\nclass K:\n    def turn(self):\n        global A\n        A = 2\ndef f(): return A\ndef g(): pass\n",
    ),
    "function and module of one name": (
        "return 1",
        "return 2",
        "from tiny.p import a\ndef f(): return a()\ndef g(): pass\n",
        {"p/__init__.py": "from tiny.p.a import a\n", "p/a.py": "def a(): return 1\n"},
    ),
    "module that answers for any name": (
        "return 1",
        "return 2",
        "from tiny import a\ndef f(): return a.anything\ndef g(): pass\n",
        {"a.py": "def __getattr__(name): return 1\n"},
    ),
    "factory of a field": (
        "return 1",
        "return 2",
        "from dataclasses import dataclass, field\ndef h(): return 1\n@dataclass\nclass K:\n"
        "    x: int = field(default_factory=h)\ndef f(): return K()\ndef g(): pass\n",
    ),
    "name of a class body that is the module's too": (
        "A = 1\n",
        "A = 2\n",
        "A = 1\nclass K:\n    B = A\n    A = 3\ndef f(): return K\ndef g(): pass\n",
    ),
    "method that uses what its class shadows": (
        "A = 1\n",
        "A = 2\n",
        "A = 1\nclass K:\n    A = 3\n    def m(self): return A\ndef f(): return K\ndef g(): pass\n",
    ),
    "variable of an outer function that an inner one sets": (
        "return 1",
        "return 2",
        "def h(): return 1\ndef f():\n    x = None\n    def inner():\n        nonlocal x\n        x = h()\n"
        "    inner()\n    return x\ndef g(): pass\n",
    ),
    "text that is run": ("A = 1", "A = 2", "def f(): exec('from tiny.a import A')\ndef g(): 0\n", {"a.py": "A = 1\n"}),
    "body": ("f(): return 1", "f(): return 2", "def f(): return 1\ndef g(): return 1\n"),
    "type of a constant": ("1", "1.0", "def f(): return 1\ndef g(): return 2\n"),
    "truth for one": ("1", "True", "def f(): return 1\ndef g(): return 2\n"),
    "text that is no docstring": ("'a'", "'b'", "def f(): return 'a'\ndef g(): return 'a '\n"),
    "default": ("A = 1", "A = 2", "A = 1\ndef f(x=A): return x\ndef g(): pass\n"),
    "keyword default": ("A = 1", "A = 2", "A = 1\ndef f(*, x=A): return x\ndef g(): pass\n"),
    "decorator": ("return h", "return print", "def d(h): return h\n@d\ndef f(): pass\n", {"n.py": "def g(): pass\n"}),
    "annotation": ("x = 1", "x = 2", "class A:\n    x = 1\ndef f(a: A): pass\ndef g(): pass\n"),
    "annotation as text": ("x = 1", "x = 2", "class A:\n    x = 1\ndef f(a: 'list[A]'): pass\ndef g(): pass\n"),
    "nested function": (
        "A = 1",
        "A = 2",
        "A = 1\ndef f():\n    def inner():\n        return A\n    return inner\ndef g(): pass\n",
    ),
    "lambda in a dictionary": (
        "return 1",
        "return 2",
        "def h(): return 1\nT = {'h': lambda: h()}\ndef f(k): return T[k]()\ndef g(): pass\n",
    ),
    "registry": (
        "h(): 1",
        "h(): return 2",
        "from tiny.a import h\nT = {'h': h}\ndef f(k): return T[k]()\ndef g(): pass\n",
        {"a.py": "def h(): 1\n"},
    ),
    "base class": (
        "return 1",
        "return 2",
        "from tiny.a import A\nclass B(A): pass\ndef f(): return B().run()\ndef g(): pass\n",
        {"a.py": "class A:\n    def run(self): return 1\n"},
    ),
    "metaclass": (
        "x = 1",
        "x = 2",
        "class M(type):\n    x = 1\nclass B(metaclass=M): pass\ndef f(): return B\ndef g(): pass\n",
    ),
    "class attribute": ("= 1", "= 2", "class A:\n    x = 1\ndef f(): return A().x\ndef g(): pass\n"),
    "comprehension": ("[1]", "[2]", "A = [1]\ndef f(): return [x for x in A]\ndef g(): pass\n"),
    "name of a comprehension used outside it": (
        "[1]",
        "[2]",
        "A = [1]\ndef f(): return [A for A in A]\ndef g(): pass\n",
    ),
    "walrus": ("return 1", "return 2", "def h(): return 1\ndef f(): return x if (x := h()) else 0\ndef g(): pass\n"),
    "walrus at the top": ("1", "2", "print(A := 1)\ndef f(): return A\n", {"n.py": "def g(): pass\n"}),
    "match": (
        "A = 1",
        "A = 2",
        "from tiny import a\ndef f(x):\n    match x:\n        case a.K.A: return 1\ndef g(): pass\n",
        {"a.py": "class K:\n    A = 1\n"},
    ),
    "class that is matched": (
        "x = 1",
        "x = 2",
        "class A:\n    x = 1\ndef f(x):\n    match x:\n        case A(): return 1\ndef g(): pass\n",
    ),
    "exception that is caught": (
        "OSError",
        "ValueError",
        "class E(OSError): pass\ndef f():\n    try: f()\n    except E: pass\ndef g(): pass\n",
    ),
    "variable that another function sets": (
        "A = 2",
        "A = 3",
        "A = 1\ndef turn():\n    global A\n    A = 2\ndef f(): return A\ndef g(): pass\n",
    ),
    "variable that another function fills": (
        "= 2",
        "= 3",
        "A = {}\ndef put():\n    A['a'] = 2\ndef f(): return A\ndef g(): pass\n",
    ),
    "list that another function extends": (
        "(2)",
        "(3)",
        "A = []\ndef put():\n    A.append(2)\ndef f(): return A\ndef g(): pass\n",
    ),
    "attribute of a function": (
        "= 1",
        "= 2",
        "def h(): return h.x\ndef put():\n    h.x = 1\ndef f(): return h()\ndef g(): pass\n",
    ),
    "constant under another name": (
        "A = 1",
        "A = 2",
        "from tiny.a import A as B\ndef f(): return B\ndef g(): pass\n",
        {"a.py": "A = 1\n"},
    ),
    "module under another name": (
        "A = 1",
        "A = 2",
        "import tiny.a as x\ndef f(): return x.A\ndef g(): return x.B\n",
        {"a.py": "A = 1\nB = 1\n"},
    ),
    "dotted import": (
        "A = 1",
        "A = 2",
        "import tiny.a\ndef f(): return tiny.a.A\ndef g(): return tiny.a.B\n",
        {"a.py": "A = 1\nB = 1\n"},
    ),
    "relative import": (
        "A = 1",
        "A = 2",
        "from .p.a import A\ndef f(): return A\ndef g(): pass\n",
        {"p/__init__.py": "", "p/a.py": "A = 1\n"},
    ),
    "relative import of a module": (
        "A = 1",
        "A = 2",
        "from . import a\ndef f(): return a.A\ndef g(): return a.B\n",
        {"a.py": "A = 1\nB = 1\n"},
    ),
    "import inside a function": (
        "A = 1",
        "A = 2",
        "def f():\n    from tiny.a import A\n    return A\ndef g(): pass\n",
        {"a.py": "A = 1\n"},
    ),
    "import inside a function, used by one inside it": (
        "A = 1",
        "A = 2",
        "def f():\n    from tiny.a import A\n    return lambda: A\ndef g(): pass\n",
        {"a.py": "A = 1\n"},
    ),
    "import inside a class": (
        "A = 1",
        "A = 2",
        "class C:\n    from tiny.a import A\ndef f(): return C\ndef g(): pass\n",
        {"a.py": "A = 1\n"},
    ),
    "import for type checkers": (
        "x = 1",
        "x = 2",
        "import typing\nif typing.TYPE_CHECKING:\n    from tiny.a import A\ndef f(a: 'A'): pass\ndef g(): pass\n",
        {"a.py": "class A:\n    x = 1\n"},
    ),
    "import that takes another's place": (
        "h as k",
        "i as k",
        "from tiny.a import h, i\nfrom tiny.a import h as k\ndef f(): return k(), h(), i()\ndef g(): pass\n",
        {"a.py": "def h(): return 1\ndef i(): return 2\n"},
    ),
    "function of another library": (
        "floor",
        "ceil",
        "from math import floor as h\ndef f(): return h(1.5)\ndef g(): pass\n",
    ),
    "import that may fail": (
        "int",
        "float",
        "try:\n    from math import floor as h\nexcept ImportError:\n    h = int\ndef f(): return h(1)\n",
    ),
    "re-export": (
        "return 1",
        "return 2",
        "from tiny.p import h\ndef f(): return h()\ndef g(): pass\n",
        {"p/__init__.py": "from tiny.p.a import h\n", "p/a.py": "def h(): return 1\n"},
    ),
    "star": (
        "A = 1",
        "A = 2",
        "from tiny.a import *\ndef f(): return A\n",
        {"a.py": "A = 1\n", "n.py": "def g(): pass\n"},
    ),
    "module that is handed around": (
        "A = 1",
        "A = 2",
        "from tiny import a\ndef f(n): return getattr(a, n)\ndef g(): pass\n",
        {"a.py": "A = 1\n"},
    ),
    "own namespace": ("A = 1", "A = 2", "A = 1\ndef f(n): return globals()[n]\n", {"n.py": "def g(): pass\n"}),
    "name made at run time": (
        "A = 1",
        "A = 2",
        "import importlib\ndef f(n): return importlib.import_module('tiny.' + n)\ndef g(): pass\n",
        {"a.py": "A = 1\n"},
    ),
    "module named by a text": (
        "A = 1",
        "A = 2",
        "def f(run): return run('tiny.a')\ndef g(): pass\n",
        {"a.py": "A = 1\n"},
    ),
    "function named by a text": (
        "h(): 1",
        "h(): return 2",
        "def f(run): return run('tiny.a:h')\ndef g(): pass\n",
        {"a.py": "def h(): 1\n"},
    ),
    "subclasses found by their base": (
        "x = 1",
        "x = 2",
        "from tiny.b import B\ndef f(): return B.__subclasses__()\ndef g(): pass\n",
        {"a.py": "from tiny.b import B\nclass A(B):\n    x = 1\n", "b.py": "class B: pass\n"},
    ),
    "recursion": ("n - 1", "n - 2", "def f(n): return h(n)\ndef h(n): return f(n - 1)\ndef g(): pass\n"),
    "recursion between modules": (
        "n - 1",
        "n - 2",
        "from tiny import a\ndef f(n): return a.h(n)\ndef g(): pass\n",
        {"a.py": "from tiny import m\ndef h(n): return m.f(n - 1)\n"},
    ),
    "name that is bound twice": ("A = 1", "A = 3", "A = 1\nA = 2\ndef f(): return A\ndef g(): pass\n"),
    "order of what is bound twice": (
        "B = A\nA = 2",
        "A = 2\nB = A",
        "A = 1\nB = A\nA = 2\ndef f(): return A, B\ndef g(): pass\n",
    ),
    "conditional definition": (
        "return 2",
        "return 3",
        "import sys\nif sys.platform == 'linux':\n    def f(): return 1\nelse:\n    def f(): return 2\n",
        {"n.py": "def g(): pass\n"},
    ),
    "tuple": ("3", "4", "A, (B, *C) = 1, (2, 3)\ndef f(): return C\ndef g(): pass\n"),
    "loop at the top": (
        "range(3)",
        "range(4)",
        "A = {}\nfor i in range(3):\n    A[i] = i\ndef f(): return A\n",
        {"n.py": "def g(): pass\n"},
    ),
    "augmented assignment": ("+= 1", "+= 2", "A = 1\nA += 1\ndef f(): return A\n", {"n.py": "def g(): 0\n"}),
    "environment": ("'1'", "'2'", "import os\nos.environ['A'] = '1'\ndef f(): pass\n", {"n.py": "def g(): pass\n"}),
    "what an import runs": (
        "'1'",
        "'2'",
        "import tiny.a\ndef f(): pass\n",
        {"a.py": "import os\nos.environ['A'] = '1'\n", "n.py": "def g(): pass\n"},
    ),
    "what a package runs": (
        "print(1)",
        "print(2)",
        "from tiny.p.a import A\ndef f(): return A\n",
        {"p/__init__.py": "print(1)\n", "p/a.py": "A = 1\n"},
    ),
    "registration by a decorator": (
        "return 1",
        "return 2",
        "import tiny.b\nfrom tiny.a import T\ndef f(k): return T[k]()\n",
        {
            "a.py": "T = {}\ndef keep(h):\n    T[h.__name__] = h\n    return h\n",
            "b.py": "from tiny.a import keep\n@keep\ndef h(): return 1\n",
            "n.py": "def g(): pass\n",
        },
    ),
    "registration by a call": (
        "return 1",
        "return 2",
        "T = {}\ndef h(): return 1\nX = T.setdefault('h', h)\ndef f(k): return T[k]()\n",
        {"n.py": "def g(): pass\n"},
    ),
}


@pytest.mark.parametrize("case", EDITS.values(), ids=EDITS)
def test_an_edit_changes_what_reaches_it_and_no_stranger(tmp_path, case) -> None:
    old, new, text, *others = case
    files = {"m.py": text, **(others[0] if others else {})}
    tiny = Tiny(tmp_path, files)
    strangers = [f"{module}:g" for module in ("m", "n") if "def g" in files.get(f"{module}.py", "")]
    reaching, same = tiny.code("m:f"), [tiny.code(stranger) for stranger in strangers]
    (edited,) = (name for name, text in files.items() if old in text)
    tiny.edit(edited, old, new)
    assert tiny.code("m:f") != reaching
    assert [tiny.code(stranger) for stranger in strangers] == same


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("A = 1", "A = 2"),
        ("def unused():\n    return A", "def unused(h, f):\n    return f(h)"),
        ("def g():\n    return 2", "def g():\n    return 3"),
        ("from tiny.a import h, unused", "from tiny.a import unused\nfrom tiny.a import h"),
        ("import json\n", ""),
    ],
)
def test_strangers_change_nothing(tmp_path, old, new) -> None:
    files = {
        "m.py": "import json\nfrom tiny.a import h, unused\ndef f():\n    return h()\ndef g():\n    return 2\n",
        "a.py": "A = 1\ndef h():\n    return 0\ndef unused():\n    return A\n",
    }
    tiny = Tiny(tmp_path, files)
    before = tiny.code("m:f")
    (edited,) = (name for name, text in files.items() if old in text)
    tiny.edit(edited, old, new)
    assert tiny.code("m:f") == before


def test_functions_may_change_places(tmp_path: Path) -> None:
    tiny = Tiny(tmp_path, {"m.py": "def f():\n    return h()\n\n\ndef h():\n    return 1\n"})
    before = tiny.code("m:f")
    tiny.write("m.py", "def h():\n    return 1\n\n\ndef f():\n    return h()\n")
    assert tiny.code("m:f") == before


@pytest.mark.parametrize(
    "body",
    [
        "    h = 1\n    return h\n",
        "    return [h for h in range(3)]\n",
        "    for h in range(3):\n        pass\n    return h\n",
        "    try:\n        pass\n    except OSError as h:\n        return h\n",
        "    match 1:\n        case h:\n            return h\n",
        "    return (lambda h: h)(1)\n",
        "    return 'h', {'h': 1}, dict(h=1), object().h\n",
        "    import math as h\n    return h\n",
        "    def inner(h):\n        return h\n    return inner\n",
    ],
)
def test_a_local_variable_is_no_function_of_the_same_name(tmp_path, body) -> None:
    tiny = Tiny(tmp_path, {"m.py": f"def h():\n    return 0\n\n\ndef f():\n{body}"})
    before = tiny.code("m:f")
    tiny.edit("m.py", "return 0", "return 9")
    assert tiny.code("m:f") == before


@given(
    edges=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20),
    edited=st.integers(0, 9),
    ways=st.lists(st.integers(0, 2), min_size=20, max_size=20),
)
@settings(max_examples=60, deadline=None)
def test_exactly_those_who_reach_an_edit_change(tmp_path_factory, edges, edited, ways) -> None:
    """Ten functions in three modules call one another at random, however their modules are imported."""
    home = {number: f"m{number % 3}" for number in range(10)}
    calls: dict[int, set[int]] = {number: {callee for caller, callee in edges if caller == number} for number in home}
    texts = {"m0": "", "m1": "", "m2": ""}
    way = itertools.cycle(ways)
    for module in texts:
        texts[module] = "".join(f"from tiny import {other}\n" for other in texts if other != module)
    for number, callees in calls.items():
        lines = [f"def f{number}():", f"    x = {number}"]
        for callee in sorted(callees):
            target = home[callee]
            if target == home[number]:
                lines.append(f"    f{callee}()")
            elif next(way):
                lines.append(f"    {target}.f{callee}()")
            else:
                lines += [f"    from tiny.{target} import f{callee} as c{callee}", f"    c{callee}()"]
        texts[home[number]] += "\n".join(lines) + "\n"
    tiny = Tiny(tmp_path_factory.mktemp("tiny"), {f"{module}.py": text for module, text in texts.items()})
    before = {number: tiny.code(f"{home[number]}:f{number}") for number in home}
    tiny.edit(f"{home[edited]}.py", f"    x = {edited}\n", f"    x = {edited}.0\n")
    changed = {number for number in home if tiny.code(f"{home[number]}:f{number}") != before[number]}
    reaching, more = set(), {edited}
    while more:
        reaching |= more
        more = {caller for caller, callees in calls.items() if callees & reaching} - reaching
    assert changed == reaching


CONFIGURED = {
    "config_base.py": "from pydantic import BaseModel\nclass Section(BaseModel):\n    pass\n",
    "config.py": (
        "from typing import ClassVar\nfrom pydantic import Field, field_validator\n"
        "from tiny.config_base import Section\n"
        "LARGEST = 9\nSTEP = 2\n"
        "class Inner(Section):\n    size: int = 7\n    kind: str = 'a'\n"
        "class Training(Section):\n    tokens: int = Field(8, description='words')\n    inner: Inner = Inner()\n"
        "    unit: ClassVar[int] = 1\n"
        "    @field_validator('tokens')\n    @classmethod\n    def _small(cls, value): return min(value, LARGEST)\n"
        "    @property\n    def steps(self): return self.tokens // STEP\n"
        "class Fine(Training):\n    more: int = 5\n"
        "class Config(Section):\n    proxy: Training = Training()\n"
        "Either = Inner | Training\n"
        "class Stranger(Section):\n    @property\n    def odd(self): return 3\n"
    ),
    "climb.py": "from tiny.config import Config\nclass Climb:\n    config: Config\n",
    "m.py": (
        "from typing import cast\nfrom tiny import config\nfrom tiny.climb import Climb\n"
        "from tiny.config import Config, Fine, Training\n"
        "def named(t: Training): return t.steps\n"
        "def heir(t: Fine): return t.steps\n"
        "def behind(climb: Climb): return climb.config.proxy.steps\n"
        "def asked(t): return isinstance(t, Training) and t.steps\n"
        "def made(): return config.Training(tokens=4).steps\n"
        "def checked(values): return Training.model_validate(values)\n"
        "def among(t: dict[str, config.Either]): return t\n"
        "def taken(t): return cast(Training, t).steps\n"
        "def merged(t): x = t | {'t': Training(tokens=4)}; return x\n"
        "def adapted(t): return adapter(config.Either).validate(t)\n"
        "def kept(t, kinds={'t': Training}): return kinds\n"
        "def none(config: Config): return config.lake\n"
    ),
}
MAKING = {"made", "checked", "merged", "adapted", "kept"}
DERIVING = {"named", "heir", "behind", "asked", "among", "taken"} | MAKING


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("self.tokens // STEP", "-(-self.tokens // STEP)", DERIVING),
        ("STEP = 2", "STEP = 3", DERIVING),
        ("ClassVar[int] = 1", "ClassVar[int] = 2", DERIVING),
        ("Field(8,", "Field(16,", MAKING),  # values enter by the settings, but here none are given
        ("size: int = 7", "size: int = 6", MAKING),
        ("LARGEST = 9", "LARGEST = 8", MAKING),
        ("min(value", "max(value", MAKING),
        ("more: int = 5", "more: int = 6", set()),
        ("return 3", "return 4", set()),
    ],
)
def test_a_section_counts_by_what_it_derives_unless_one_is_made(tmp_path, old, new, changed) -> None:
    tiny = Tiny(tmp_path, CONFIGURED, {"climb": "finds settings"})
    functions = {*DERIVING, "none"}
    before = {function: tiny.code(f"m:{function}") for function in functions}
    tiny.edit("config.py", old, new)
    assert {function for function in functions if tiny.code(f"m:{function}") != before[function]} == changed


def test_what_is_left_out_does_not_count_and_leads_nowhere(tmp_path: Path) -> None:
    files = {
        "m.py": "from tiny import p\nfrom tiny.a import h, k\nimport tiny.p.q\ndef f(): return h(), k(), p.q.x()\n",
        "a.py": "from tiny.b import i\ndef h(): return i()\ndef k(): return 1\n",
        "b.py": "def i(): return 1\n",
        "p/__init__.py": "print(1)\n",
        "p/q.py": "def x(): return 1\n",
    }
    tiny = Tiny(tmp_path, files, {"a:h": "draws", "p.*": "prints"})
    assert list(tiny.code("m:f")) == ["a", "m"]
    before = tiny.code("m:f")
    tiny.edit("b.py", "return 1", "return 2")
    tiny.edit("p/q.py", "return 1", "return 2")
    tiny.edit("p/__init__.py", "1", "2")
    assert tiny.code("m:f") == before
    tiny.edit("a.py", "k(): return 1", "k(): return 2")
    assert tiny.code("m:f") != before
    with pytest.raises(ConfigError, match=r"tiny\.p\.q is left out"):
        tiny.code("p.q:x")


def test_packages_are_those_that_the_reached_definitions_use(tmp_path: Path) -> None:
    files = {
        "m.py": "import json\nimport numpy as np\nimport scipy\nfrom tiny.a import h\n"
        "def f(): return np.zeros(json.loads('1')) + h()\n",
        "a.py": "import pandas\ndef h():\n    import torch.nn\n    return torch.nn\ndef i(): return pandas\n",
    }
    tiny = Tiny(tmp_path, files)
    assert tiny.reader.packages_of("tiny.m:f") == {"numpy", "torch"}
    assert tiny.reader.packages_of("tiny.a:i") == {"pandas"}


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"m\.py cannot be read as Python .*line 1"):
        Tiny(tmp_path, {"m.py": "def f(:\n"}).code("m:f")
    with pytest.raises(ConfigError, match="holds no source files"):
        CodeReader(tmp_path / "nowhere", {}).code_of("nowhere.m:f")

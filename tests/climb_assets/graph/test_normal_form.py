"""The normal form: the same for the same code, whoever parses it, and another for any other code."""

import ast
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from climb_assets.graph.code_identity import CodeReader
from climb_assets.graph.normal_form import normal_form

ROOT = Path(__file__).parents[3]
VERSIONS = ("3.11", "3.12", "3.13", "3.14")

# Every kind of statement and expression that Python 3.11 has, and the f-strings that later ones cut in other ways.
SAMPLE = r'''
"""Doc."""
from __future__ import annotations
import a.b as c, d
from .e import (f, g as h)
x: int = 1; y: "str"; x += 0x10 + 1_000 - 1.5e3 * 2j // 3 % 4 @ z ** -5
b, u, r, t = b"\x00\xff", "\u00e9\U0001f600\ud800", r"\d", ("a" "b" 'c')
s = f"a{x}b" "c" f"d{y!r}" f"{x=}" f"{x = !s:>{y}.{z}}" f"{x:}" f"{{}}" f"{x:%H:%M}" f"" f"{f'{x}' + 'q'}" "é"
n = None, True, False, ..., 1 < 2 <= 3 != 4 is not None not in [], not (1 and 2 or 3)
o = 4 if ~x & 1 | 2 ^ 3 else -x << 2 >> 1
q = [*a, 1], {**a, "k": 1}, {1, *b}, (x := 5), a[1:2:3, ..., *b], a[:1], a[1:]
l = lambda p, /, q=1, *r, s, t=2, **k: (yield)
w = [i for i in a if i for j in i if j], {i for i in a}, {i: j for i, j in a}, (i async for i in a)
del a[0], a.b
@d(1)
@e
class K(A, metaclass=M):
    """Doc."""
    x: int
    def m(self): "Doc."
    async def n(self, p: int, /, q: str = "s", *, r=None, **k) -> list[int]:
        async with a as b, c: await d
        async for i in e: continue
        else: break
        return await f
def v(*a: int, k):
    global x
    def inner():
        nonlocal k
        yield from a
        assert k, f"{k}"
    raise E(1) from None
    while 1: pass
    try: pass
    except (A, B) as e: raise
    except: ...
    else: return
    finally: del e
    try: pass
    except* C: pass
    with (open(a) as f, g): print(a, *b, c=1, **d)
    for i, in a: pass
    if a: pass
    elif b: pass
    else: pass
match x, y:
    case 1 | "a" | -1.5 | None | a.b: pass
    case [1, _, *rest] if rest: pass
    case {"k": v, **more}: pass
    case K(1, x=2) as k: pass
    case _: pass
'''
SAMPLE_DIGEST = "50c4f3f40e79d502"


def digest(text: str) -> str:
    """Return the hash of a text's normal form."""
    return hashlib.sha256(normal_form(ast.parse(text))).hexdigest()[:16]


def interpreter(version: str) -> str:
    """Return a Python of a minor version; skip where there is none."""
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return sys.executable
    installed = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    for found in (shutil.which(f"python{version}"), *map(str, installed)):
        if found and subprocess.run([found, "-c", ""], capture_output=True).returncode == 0:
            return found
    pytest.skip(f"there is no Python {version} here")


@pytest.mark.parametrize("version", VERSIONS)
def test_no_hash_depends_on_the_interpreter(version) -> None:
    """Of the sample, and of every module of ours as a whole; nothing but the standard library is needed for it."""
    program = (
        "import ast, hashlib, json, pathlib, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from climb_assets.graph.code_identity import CodeReader\n"
        "from climb_assets.graph.normal_form import normal_form\n"
        "root = pathlib.Path(sys.argv[1], 'climb_assets')\n"
        "sample = hashlib.sha256(normal_form(ast.parse(sys.stdin.read()))).hexdigest()[:16]\n"
        "print(json.dumps([sample, CodeReader(root, {}).code_of('climb_assets')]))\n"
    )
    done = subprocess.run(
        [interpreter(version), "-I", "-c", program, str(ROOT)],
        input=SAMPLE,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    sample, modules = json.loads(done.stdout)
    assert sample == SAMPLE_DIGEST
    assert modules == CodeReader(ROOT / "climb_assets", {}).code_of("climb_assets")
    assert len(modules) > 100


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ("def f(): 'Doc.'; return 1", "def f():\n    # why\n    return (1)"),
        ("def f(): 'Doc.'", "def f(): ..."),
        ("class A:\n    x = 1\n    'Of x.'", "class A:\n    x = 1"),
        ("x = 'a' \"b\"", "x = u'ab'"),
        ("x = 0x10", "x = 1_6"),
        ("x = f'a{b}' 'c'", "x = f'a{b}c'"),
        ("x = f'{b:}'", "x = f'{b}'"),
        ("x = 1,", "x = (1,)"),
        ("if a:\n    pass\nelse:\n    b", "if a: ...\nelse: b"),
    ],
)
def test_layout_and_remarks_are_not_in_it(one, same) -> None:
    assert digest(one) == digest(same)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = 'a'", "x = b'a'"),
        ("x = None", "x = ..."),
        ("x = a[1:]", "x = a[:1]"),
        ("x = a, b", "x = b, a"),
        ("f('a', 'bc')", "f('ab', 'c')"),
        ("x = f'{a!r}'", "x = f'{a!s}'"),
        ("x = f'{a:b}'", "x = f'{a}b'"),
        ("x = f'{a}{b}'", "x = f'{a} {b}'"),
        ("x = {**a}", "x = {a: a}"),
        ("def f(a, b): 1", "def f(a, *, b): 1"),
        ("def f(*, a, b=1): 1", "def f(*, a=1, b): 1"),
        ("async def f(): 1", "def f(): 1"),
        ("if a: b\nelse: c", "if a: c\nelse: b"),
        ("x = [i for i in a]", "x = (i for i in a)"),
        ("x = -1", "x = 1"),
        ("x = 'é'", "x = 'e\u0301'"),
    ],
)
def test_other_code_has_another(one, other) -> None:
    assert digest(one) != digest(other)


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_no_two_lists_of_texts_share_one(one, other) -> None:
    assert (digest(f"x = {one!r}") == digest(f"x = {other!r}")) == (one == other)

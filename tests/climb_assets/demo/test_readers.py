"""Each reader on a tiny archive of its kind, made here."""

import base64
import gzip
import json
import sqlite3
import struct
import zlib
from collections.abc import Iterable

from climb_assets.demo.dictd import read_dictionary
from climb_assets.demo.html import page_sections
from climb_assets.demo.info import read_manual
from climb_assets.demo.mail import read_messages
from climb_assets.demo.metamath import read_theorems
from climb_assets.demo.novels import read_novels
from climb_assets.demo.pieces import Article
from climb_assets.demo.records import read_countries, read_ontology, read_recipes
from climb_assets.demo.rst import read_sources
from climb_assets.demo.sword import read_module


def texts(articles: Iterable[Article]) -> dict[str, list[str]]:
    return {article.name: article.read() for article in articles}


def test_page_loses_navigation_and_is_split_at_headings() -> None:
    page = b"""<html><head><title>no</title></head><body><nav>Home</nav><div class="sphinxsidebar">Menu</div>
    <div role="main"><h1>Tea<a class="headerlink" href="#">\xc2\xb6</a></h1><p>Boil
    water.</p><pre>a  b

    c</pre><h2>Milk</h2><ul><li>cold</li><li>warm</li></ul><script>alert(1)</script></div></body></html>"""
    assert page_sections(page) == ["Tea\n\nBoil water.\n\na  b\n\n    c", "Milk\n\ncold\nwarm"]


def test_page_keeps_terms_whose_identifier_is_a_navigation_word() -> None:
    assert page_sections('<dl><dt id="copyright">copyright</dt><dd>A notice.</dd></dl>') == ["copyright\nA notice."]


def test_empty_page_has_no_sections() -> None:
    assert page_sections(b"  ") == []
    assert page_sections(b"<!-- nothing -->") == []


def _digits(number: int) -> str:
    packed = base64.b64encode(number.to_bytes(6, "big")).decode()
    return packed.lstrip("A") or "A"


def test_dictionary_entries_are_read_once_and_cleaned() -> None:
    entries = [
        "00-database-info\n   secret\n",
        "Caf['e] \\Ca*fe\\, n.\n   1. A {house}\n      for coffee.\n   2. Coffee. [1913 Webster]\n",
    ]
    offsets = [0, len(entries[0])]
    index = [("00-database-info", 0), ("caf", 1), ("cafe", 1)]
    lines = [f"{word}\t{_digits(offsets[i])}\t{_digits(len(entries[i]))}" for word, i in index]
    members = {"x/w.index": "\n".join(lines).encode(), "x/w.dict.dz": gzip.compress("".join(entries).encode())}
    (sections,) = texts(read_dictionary(members)).values()
    assert sections == ["Café , n.\n1. A house for coffee.\n2. Coffee."]


def test_manual_joins_nodes_of_a_second_level_and_drops_menus() -> None:
    manual = (
        "preamble\x1f\nFile: m.info,  Node: A\n\n1.2 Stars\n*********\n\nThey\nshine, see *note Light::.\n\n* Menu:\n\n"
        "* B::\n"
        "\x1f\nFile: m.info,  Node: B\n\n1.2.1 Giants\n------------\n\nLarge.\n\x1f\nTag Table:\n1.2 x\n"
    )
    assert texts(read_manual({"i/m.info-1": manual.encode()})) == {
        "m/1.2": ["1.2 Stars\n\nThey shine, see Light.", "1.2.1 Giants\n\nLarge."]
    }


def test_source_loses_markup() -> None:
    source = (
        ".. SPDX-License-Identifier: X\n\n=====\nTitle\n=====\n\nSee :ref:`the guide <a>` and\n``code``::\n\n   x = 1\n"
    )
    assert texts(read_sources({"a.rst": source.encode()}))["a.rst"][1:] == [
        "Title\n\nSee the guide and code:\n\n" + "x = 1"
    ]


def test_messages_of_a_thread_share_an_article_and_lose_quotes() -> None:
    first = b"Subject: Tea\n\nI like tea.\n\n-- \nAnn\n"
    reply = (
        b"Subject: Re: [list] Tea\nContent-Type: text/plain; charset=nowhere\n\nAnn wrote:\n> I like tea.\n\nMe too.\n"
    )
    page = b"Subject: Tea\nContent-Type: text/html\n\n<p>Buy <b>tea</b></p>"
    articles = list(read_messages({"1": first, "2": reply, "3": page}))
    assert [article.name for article in articles] == ["thread: tea"] * 3
    assert [article.read() for article in articles] == [["Tea\n\nI like tea."], ["Tea\n\nMe too."], ["Tea\n\nBuy tea"]]


def _sword(driver: str, verse: struct.Struct) -> dict[str, bytes]:
    verses = ["<w>In</w> the beginning<note>margin</note>", "God &amp; light"]
    data = "".join(verses).encode()
    block = zlib.compress(data)
    places = [(0, 0, 0), (0, 0, len(verses[0])), (0, len(verses[0]), len(verses[1]))]
    return {
        "mods.d/t.conf": f"[T]\nModDrv={driver}\n".encode(),
        "m/t/ot.bzs": struct.pack("<III", 0, len(block), len(data)),
        "m/t/ot.bzv": b"".join(verse.pack(*place) for place in places),
        "m/t/ot.bzz": block,
    }


def test_bible_is_read_in_both_verse_formats() -> None:
    assert texts(read_module(_sword("zText", struct.Struct("<IIH")))) == {"t/ot/0": ["In the beginning God & light"]}
    assert texts(read_module(_sword("zCom4", struct.Struct("<III")))) == {"t/ot/0": ["In the beginning\n\nGod & light"]}


def test_novel_is_read_from_an_r_database_by_chapters() -> None:
    lines = ["EMMA", "", "CHAPTER I", "", "Emma was", "clever.", "", "CHAPTER II", "", "Rich."]
    strings = b"".join(struct.pack(">ii", 0x40009, len(line)) + line.encode() for line in lines)
    vector = (
        b"X\n" + struct.pack(">iiii", 3, 0x40201, 0x30500, 5) + b"UTF-8" + struct.pack(">ii", 16, len(lines)) + strings
    )
    database = struct.pack(">i", len(vector)) + zlib.compress(vector)
    assert texts(read_novels({"Rdata.rdb": database})) == {
        "Emma, chapter 1": ["Emma was clever."],
        "Emma, chapter 2": ["Rich."],
    }


def test_theorems_lose_credits_and_proofs() -> None:
    statement = "The identity principle of logic, which says that a statement implies itself."
    source = f"$( x $)\n$(\n#*#*#*\n  Logic\n#*#*#*\n$)\n$( {statement}\n  (Contributed by NM, 1-Jan-1993.) $)\n"
    source += "id $p |- ( ph -> ph ) $= ABC $."
    assert texts(read_theorems({"a.mm": source.encode()}))["a.mm: Logic"] == [statement]


def test_recipe_has_its_parts() -> None:
    recipe = {"title": "Tea", "ingredients": ["water ()", "leaves"], "steps": ["Boil.", "Pour."]}
    members = {"r.json": json.dumps({"Cookbook:Tea": recipe}).encode()}
    assert texts(read_recipes(members)) == {
        "Tea": ["Tea\n\nIngredients:\n- water\n- leaves\n\nMethod:\n1. Boil.\n2. Pour."]
    }


def test_country_keeps_fields_that_say_something() -> None:
    long = "a long history of trade across the sea ++ and of fishing in the rivers of the north"
    members = {
        "au.json": json.dumps({"Introduction": {"Background": {"text": long}, "Area": {"text": "1 sq km"}}}).encode()
    }
    assert texts(read_countries(members))["au.json"] == ["Background: " + long.replace("++", ";")]


def test_ontology_is_read_from_bytes_of_a_database() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE go_term (go_id, term, ontology, definition)")
    connection.execute("INSERT INTO go_term VALUES ('GO:1', 'growth', 'BP', 'Getting larger.')")
    connection.commit()
    assert list(texts(read_ontology({"GO.sqlite": connection.serialize()})).values()) == [["growth: Getting larger."]]

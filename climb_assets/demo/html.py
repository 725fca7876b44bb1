"""Text of HTML pages: the main part, without navigation, split at headings.

What belongs here: anything that knows HTML tags. One page is one article.
"""

import re
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from climb_assets.demo.archives import Members
from climb_assets.demo.pieces import Article

if TYPE_CHECKING:
    from lxml.html import HtmlElement


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MAIN = "//main | //*[@role='main'] | //*[@id='page-content' or @id='DisplayArea' or @id='content' or @id='main']"
DROPPED_TAGS = _words("script style nav footer aside form noscript svg math head button select iframe object img")
DROPPED_MARKS = _words(
    "nav navheader navfooter navigation navbar nav_table toc tocdiv contents element-contents "
    "shortcontents sidebar sphinxsidebar breadcrumb breadcrumbs menu related footer footnav headerlink "
    "permalink search skip chlinktop chlinkbot chlinkprevnexttop chlinkprevnextbot chtoc chapsects "
    "contchap mathjaxlink topnav bottomnav langs toplang bottomlang qview preamble preamble-nav linenos "
    "tocframe toc_header toc_uplink toc_current languages footer_version footer_report summary-letter "
    "previous_page toc_page next_page comments_section copyright up path seealso pager book-navigation "
    "index-entry outdated"
)
"""Classes, identifiers and roles of what is not the text of a page."""
BLOCKS = _words(
    "p div section article header table tr ul ol dl dt dd li blockquote pre h1 h2 h3 h4 h5 h6 hr br "
    "caption figure address center body main tbody thead details summary"
)
TIGHT = frozenset(["li", "tr", "br", "dt", "dd"])
"""Blocks without a blank line around them."""
MARKED = _words("div ul ol p span table a li td tr header")
HEADINGS = frozenset(["h1", "h2", "h3"])
CELLS = frozenset(["td", "th"])


def read_pages(members: Members) -> Iterator[Article]:
    """Yield one article for each page."""
    for name, data in members.items():
        yield Article(name, partial(page_sections, data))


def page_sections(data: bytes | str) -> list[str]:
    """Return the text of a page's main part, one section for each of its headings of level 1 to 3."""
    from lxml import etree, html

    if not data.strip():
        return []
    try:
        tree = html.document_fromstring(data)
    except etree.ParserError:  # a page of comments only
        return []
    found = tree.xpath(MAIN)
    writer = _Writer()
    writer.write(found[0] if found else tree)
    return writer.finish()


class _Writer:
    """Collects the text of an element tree as sections of lines."""

    def __init__(self) -> None:
        self._sections: list[str] = []
        self._lines: list[str] = []
        self._line: list[str] = []
        self._depth_of_pre = 0

    def write(self, element: "HtmlElement") -> None:
        tag = element.tag
        if isinstance(tag, str) and not _is_dropped(element):
            if tag in HEADINGS:
                self._end_section()
            ends_line = tag in BLOCKS and not _is_all_of_cell(element)
            if ends_line:
                self._end_line(blank=tag not in TIGHT)
            self._depth_of_pre += tag == "pre"
            self._text(element.text)
            for child in element:
                self.write(child)
            if ends_line:
                self._end_line(blank=tag not in TIGHT)
            elif tag in CELLS:
                self._line.append(" ")
            self._depth_of_pre -= tag == "pre"
        self._text(element.tail)

    def finish(self) -> list[str]:
        self._end_section()
        return self._sections

    def _text(self, text: str | None) -> None:
        if not text:
            return
        if self._depth_of_pre:
            first, *rest = text.split("\n")
            self._line.append(first)
            for line in rest:
                self._end_line(blank=False)
                self._line.append(line)
        else:
            self._line.append(re.sub(r"\s+", " ", text))

    def _end_line(self, *, blank: bool) -> None:
        line = "".join(self._line).replace("\xa0", " ").replace("¶", "").replace("\xad", "").rstrip()
        line = line if self._depth_of_pre else re.sub(r" {2,}", " ", line).strip()
        if line.strip():
            self._lines.append(line)
        if (blank or (self._depth_of_pre and not line)) and self._lines and self._lines[-1]:
            self._lines.append("")
        self._line.clear()

    def _end_section(self) -> None:
        self._end_line(blank=False)
        section = "\n".join(self._lines).strip("\n")
        if section.strip():
            self._sections.append(section)
        self._lines.clear()


def _is_all_of_cell(element: "HtmlElement") -> bool:
    parent = element.getparent()
    return parent is not None and parent.tag in CELLS and len(parent) == 1


def _is_dropped(element: "HtmlElement") -> bool:
    if element.tag in DROPPED_TAGS:
        return True
    marks = {*element.get("class", "").lower().split(), element.get("id", "").lower(), element.get("role", "").lower()}
    return element.tag in MARKED and not marks.isdisjoint(DROPPED_MARKS)

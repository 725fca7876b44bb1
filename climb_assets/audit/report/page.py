"""The page of a report: its frame, its look, and the little that moves.

What belongs here: HTML, CSS and JavaScript that know no facts. Nothing is fetched: the page forbids it by its policy,
which also lets no script run but the one below, whatever text of the corpus may hold.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence

from climb_assets.pictures.svg import PALETTE, RULES, colour_values, escape

STYLE = (
    f":root{{{colour_values()};--soft:#f4f6fa;color-scheme:light dark}}"
    f"@media (prefers-color-scheme:dark){{:root{{{colour_values(dark=True)};--soft:#1f2632}}}}"
    + "".join(f".b-{name}{{background:var(--{name})}}" for name in PALETTE)
    + RULES
    + """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0;background:var(--soft);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}
main,header>div,nav>ul,footer{max-width:1120px;margin:0 auto;padding:0 20px}
header{background:var(--paper);border-bottom:1px solid var(--line);padding:30px 0 26px}
.note{background:var(--soft);border-left:4px solid var(--bad);padding:8px 14px;margin:0 0 14px;font-size:.92rem}
.over{margin:0 0 8px;color:var(--muted);font-size:.9rem}
h1{font-size:clamp(1.4rem,1.05rem + 1.7vw,2.05rem);font-weight:500;line-height:1.3;letter-spacing:-.012em;
margin:0 0 16px;max-width:30em;text-wrap:pretty}
h1 b{font-weight:700;white-space:nowrap}
h4{font-size:.9rem;font-weight:600;margin:14px 0 8px}
h2{font-size:1.4rem;letter-spacing:-.01em;margin:0 0 6px}
h3{font-size:1.05rem;line-height:1.35;margin:0 0 4px}
p{margin:0 0 12px}
.lead{color:var(--muted);max-width:68ch;margin:0 0 18px;text-wrap:pretty}
.badge{display:inline-block;border-radius:99px;padding:3px 13px;font-weight:600;font-size:.9rem;color:var(--paper)}
.badge.b-muted{background:var(--muted)}
.sides{display:grid;gap:14px 36px;grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr));margin-top:20px}
.sides h2{font-size:1.05rem;margin:0 0 6px}
.sides ul{margin:0;padding:0 0 0 18px}.sides li{margin:0 0 6px}
nav{background:var(--paper);border-bottom:1px solid var(--line);position:sticky;top:0;z-index:2}
nav ul{list-style:none;display:flex;gap:2px 18px;overflow-x:auto;white-space:nowrap}
nav a{display:block;padding:11px 0;color:var(--muted);text-decoration:none;font-size:.9rem}
nav a:hover,nav a:focus-visible{color:var(--ink);text-decoration:underline}
a{color:var(--c0)}
section{padding:40px 0 0;scroll-margin-top:38px}
.grid{display:grid;gap:18px;grid-template-columns:repeat(auto-fit,minmax(min(100%,430px),1fr));align-items:start}
.cards{display:grid;gap:18px;grid-template-columns:repeat(auto-fill,minmax(min(100%,330px),1fr))}
.minis{display:grid;gap:18px 22px;grid-template-columns:repeat(auto-fill,minmax(min(100%,140px),1fr))}
@media (min-width:721px){.minis{grid-template-columns:repeat(auto-fill,minmax(190px,1fr))}}
.minis h3{font-size:.88rem;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
.card{background:var(--paper);border:1px solid var(--line);border-radius:12px;padding:18px 20px;margin:0;min-width:0}
.stack{display:grid;gap:18px}.card>ul:not(.keys,.names){margin:10px 0 0;padding-left:18px;font-size:.92rem}
.card>p:last-child{margin:10px 0 0}
svg{display:block;width:100%;height:auto}
figcaption{margin:0 0 14px}figcaption p{color:var(--muted);font-size:.9rem;margin:0}
.keys{list-style:none;display:flex;flex-wrap:wrap;gap:4px 16px;padding:0;margin:0 0 14px;font-size:.88rem}
.key{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:6px}
details{margin-top:12px;font-size:.9rem}summary{cursor:pointer;color:var(--muted)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.86rem;font-variant-numeric:tabular-nums;margin-top:8px}
th,td{padding:5px 12px 5px 0;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}
td.n,th.n{text-align:right}
th{color:var(--muted);font-weight:600}
dl{display:grid;grid-template-columns:auto 1fr;gap:3px 14px;margin:10px 0 0;font-size:.88rem}
dt{color:var(--muted)}dd{margin:0;overflow-wrap:anywhere}
.terms{color:var(--muted);font-size:.88rem;margin:0}
blockquote{margin:10px 0 0;padding:0 0 0 12px;border-left:3px solid var(--line);font-size:.85rem;
line-height:1.45;overflow-wrap:anywhere}
blockquote cite{display:block;font-style:normal;color:var(--muted)}
.map{display:grid;gap:18px;grid-template-columns:minmax(0,1fr) 270px}
.map svg{max-width:none!important;border:1px solid var(--line);border-radius:8px;touch-action:pan-y;cursor:crosshair}
.map .dots{stroke-width:var(--dot,4.5px)}.map .off{opacity:.08}.map .on.s-rest,.map .on.s-line{stroke:var(--ink)}
.map .names{list-style:none;margin:0;padding:0;font-size:.86rem;display:flex;flex-direction:column;gap:1px}
.map button{font:inherit;color:inherit;background:none;border:0;border-radius:6px;padding:3px 6px;
text-align:left;width:100%;cursor:pointer}
.map button:hover,.map button:focus-visible{background:var(--soft)}
.map button[aria-pressed=true]{background:var(--line);font-weight:600}
.zoom{display:flex;gap:6px;margin:0 0 10px}.map .zoom button{width:auto;border:1px solid var(--line);padding:2px 12px}
.map svg.near{cursor:grab}
.told{min-height:6.5em;margin:10px 0 0;font-size:.88rem;overflow-wrap:anywhere}
.unknown li{margin:0 0 8px;max-width:75ch}
code{font:.85em ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere}
footer{padding-top:34px;padding-bottom:50px;color:var(--muted);font-size:.86rem}
:focus-visible{outline:2px solid var(--c0);outline-offset:2px}
@media (max-width:560px){figure svg text{font-size:15.5px}figure svg .small{font-size:14px}svg .beside{display:none}
.minis svg .small{font-size:19px}}
@media (max-width:720px){.map{grid-template-columns:1fr}.map .names{display:grid;grid-template-columns:1fr 1fr}
section{padding-top:30px}.card{padding:15px 15px}main,header>div,nav>ul,footer{padding-left:14px;padding-right:14px}}
@media print{:root{"""
    + colour_values()
    + """;--soft:#fff}nav{display:none}body{font-size:10.5pt}.card,figure{break-inside:avoid}
section{padding-top:18pt}.map{grid-template-columns:1fr 150pt}}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
"""
)

SCRIPT = """
(function () {
  var map = document.querySelector('.map');
  if (!map) return;
  var svg = map.querySelector('svg'), told = map.querySelector('.told');
  var points = JSON.parse(document.getElementById('points').textContent);
  var ring = document.createElementNS('http://www.w3.org/2000/svg', 'circle');
  ring.setAttribute('r', 7);
  ring.setAttribute('class', 'open s-ink');
  ring.setAttribute('fill-opacity', 0);
  var only = null;
  function show(event) {
    var at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    var best = null, least = 900;
    points.places.forEach(function (place) {
      if (only !== null && place[2] !== only) return;
      var far = Math.pow(place[0] - at.x, 2) + Math.pow(place[1] - at.y, 2);
      if (far < least) { least = far; best = place; }
    });
    if (!best) return;
    ring.setAttribute('cx', best[0]);
    ring.setAttribute('cy', best[1]);
    svg.appendChild(ring);
    told.textContent = '';
    var head = document.createElement('strong');
    head.textContent = (best[2] < 0 ? 'pruned' : points.names[best[2]]) + ' · ' + points.sources[best[3]];
    told.append(head, document.createElement('br'), best[4]);
  }
  var whole = svg.viewBox.baseVal, wide = whole.width, high = whole.height, from = null;
  function look(x, y, width) {
    width = Math.min(wide, Math.max(wide / 12, width));
    var height = width * high / wide;
    x = Math.min(wide - width, Math.max(0, x));
    y = Math.min(high - height, Math.max(0, y));
    svg.setAttribute('viewBox', [x, y, width, height].join(' '));
    svg.style.setProperty('--dot', 4.5 * Math.sqrt(width / wide) + 'px');
    svg.classList.toggle('near', width < wide);
  }
  map.querySelectorAll('[data-zoom]').forEach(function (button) {
    button.addEventListener('click', function () {
      var now = svg.viewBox.baseVal, by = Number(button.dataset.zoom), width = by ? now.width * by : wide;
      look(now.x + (now.width - width) / 2, now.y + (now.height - width * high / wide) / 2, width);
    });
  });
  svg.addEventListener('pointerdown', function (event) {
    var now = svg.viewBox.baseVal;
    from = now.width < wide ? [event.clientX, event.clientY, now.x, now.y] : null;
    show(event);
  });
  svg.addEventListener('pointermove', function (event) {
    if (!from || !event.buttons) return show(event);
    var now = svg.viewBox.baseVal, unit = now.width / svg.clientWidth;
    look(from[2] - (event.clientX - from[0]) * unit, from[3] - (event.clientY - from[1]) * unit, now.width);
  });
  map.querySelectorAll('[data-domain][aria-pressed]').forEach(function (button) {
    button.addEventListener('click', function () {
      var own = Number(button.dataset.domain);
      only = only === own ? null : own;
      map.querySelectorAll('[data-domain][aria-pressed]').forEach(function (other) {
        other.setAttribute('aria-pressed', String(only === Number(other.dataset.domain)));
      });
      svg.querySelectorAll('[data-domain]').forEach(function (layer) {
        layer.classList.toggle('on', only === Number(layer.dataset.domain));
        layer.classList.toggle('off', only !== null && only !== Number(layer.dataset.domain));
      });
    });
  });
})();
"""


def page(title: str, header: str, sections: Sequence[tuple[str, str, str]], footer: str) -> str:
    """Return the whole page.

    Parameters
    ----------
    header, footer
        Markup of its head and its end.
    sections
        Of each the name in an address, the heading, and its markup.
    """
    allowed = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'; base-uri 'none'; form-action "
        "'none'"
    )
    links = "".join(f'<li><a href="#{name}">{escape(heading)}</a></li>' for name, heading, _ in sections)
    body = "".join(
        f'<section id="{name}" aria-labelledby="{name}-heading"><h2 id="{name}-heading">{escape(heading)}</h2>'
        f"{markup}</section>"
        for name, heading, markup in sections
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>\n"
        f'<header><div>{header}</div></header>\n<nav aria-label="Sections"><ul>{links}</ul></nav>\n'
        f"<main>{body}</main>\n<footer>{footer}</footer>\n<script>{SCRIPT}</script></body></html>\n"
    )


def figure(title: str, told: str, drawing: str, behind: str = "") -> str:
    """Return a drawing with its title, a sentence that says how to read it, and the numbers behind it."""
    return (
        f'<figure class="card"><figcaption><h3>{escape(title)}</h3><p>{escape(told)}</p></figcaption>'
        f"{drawing}{behind}</figure>"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[object]], told: str = "The numbers") -> str:
    """Return a table that is folded away; numbers, which are texts already, stand right but for the first column."""
    first, *others = head
    heads = f'<th scope="col">{escape(first)}</th>' + "".join(
        f'<th scope="col" class="n">{escape(one)}</th>' for one in others
    )
    body = "".join(
        f'<tr><th scope="row">{escape(str(row[0]))}</th>'
        + "".join(f'<td class="n">{escape(str(one))}</td>' for one in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f'<details><summary>{escape(told)}</summary><div class="scroll" tabindex="0" role="group" '
        f'aria-label="{escape(told)}">'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div></details>"
    )


def bullets(sentences: Iterable[str], kind: str = "") -> str:
    """Return sentences as a list."""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<ul class="{kind}">{items}</ul>' if kind else f"<ul>{items}</ul>"


def lead(sentence: str) -> str:
    """Return the sentence below a heading."""
    return f'<p class="lead">{escape(sentence)}</p>'

"""The elements that HTML, SVG and MathML know, old ones too. A leaf."""

from __future__ import annotations

_NAMES = (
    "a abbr acronym address animate animatemotion animatetransform annotation-xml applet area "
    "article aside audio b base basefont bdi bdo bgsound big blink blockquote body br button "
    "canvas caption center circle cite clippath code col colgroup content data datalist dd defs "
    "del desc details dfn dialog dir div dl dt ellipse em embed feimage fieldset figcaption "
    "figure filter font footer foreignobject form frame frameset g h1 h2 h3 h4 h5 h6 head header "
    "hgroup hr html i iframe image img input ins isindex kbd keygen label legend li line "
    "lineargradient link listing main map mark marker marquee mask math menu menuitem meta "
    "metadata meter mglyph mi mn mo ms mtext multicol nav nextid nobr noembed noframes noscript "
    "object ol optgroup option output p param path pattern picture plaintext polygon polyline "
    "portal pre progress q rb rect rp rt rtc ruby s samp script search section select set shadow "
    "slot small source spacer span strike strong style sub summary sup svg switch symbol table "
    "tbody td template text textarea textpath tfoot th thead time title tr track tspan tt u ul "
    "use var video view wbr xmp"
)
_RAW_NAMES = (
    "script style iframe object embed textarea title xmp plaintext noembed noframes noscript "
    "template select svg math frameset base"
)

ELEMENTS = frozenset(_NAMES.split())
RAW = frozenset(_RAW_NAMES.split())
"""Those that change how what follows is read, or load something without an attribute."""

"""Sentences that switch language from word to word. In: English text. Out: the same, some words in another language.

Whole translations need an engine; these are tables of words that no two of the languages share.
"""

import re
from collections.abc import Callable

import numpy as np

from lictor.augment.describe import Apply, Decode, Transform, asks_for, transform

_SPANISH = (
    "how=cómo what=qué which=cuál where=dónde when=cuándo who=quién are=están and=y or=o of=de from=desde "
    "please=porfavor I=yo you=tú my=mi this=esto that=eso need=necesito want=quiero can=puedo make=hacer use=usar "
    "tell=dime give=dame show=muestra explain=explica describe=describa write=escribe find=encontrar keep=guardar "
    "before=antes after=después never=nunca very=muy good=bueno best=mejor new=nuevo old=viejo water=agua day=día "
    "people=gente every=cada step=paso steps=pasos more=más dry=seco fresh=fresco in=dentro a=una the=el"
)
_GERMAN = (
    "how=wie which=welche where=wo why=warum who=wer is=ist are=sind and=und or=oder of=von from=aus to=zu with=mit "
    "without=ohne for=für please=bitte I=ich you=du my=mein this=dieses that=jenes need=brauche want=möchte "
    "can=kann make=machen use=benutzen tell=sage give=gib show=zeige explain=erkläre describe=beschreibe "
    "write=schreibe find=finden keep=behalten before=vorher after=nachher never=niemals very=sehr best=beste "
    "new=neu water=wasser people=leute every=jeder step=schritt steps=schritte more=mehr dry=trocken fresh=frisch "
    "the=das a=eine"
)
_SWAHILI = (
    "how=vipi what=nini where=wapi when=lini who=nani is=ni and=na or=au in=katika without=bila for=kwa "
    "please=tafadhali I=mimi you=wewe this=hii that=ile need=nahitaji want=nataka can=naweza make=tengeneza "
    "use=tumia tell=niambie give=nipe show=nionyeshe explain=eleza write=andika find=tafuta keep=weka before=kabla "
    "after=baada not=si very=sana good=nzuri new=mpya water=maji house=nyumba day=siku time=wakati people=watu "
    "every=kila step=hatua more=zaidi help=saidia work=kazi food=chakula name=jina question=swali answer=jibu "
    "now=sasa"
)


def _table(pairs: str) -> dict[str, str]:
    return dict(pair.split("=") for pair in pairs.lower().split())


def _back(tag: str, table: dict[str, str]) -> Decode:
    return lambda text: _exchanged(text.removeprefix(tag), {foreign: word for word, foreign in table.items()})


_ES, _DE, _SW = _table(_SPANISH), _table(_GERMAN), _table(_SWAHILI)
_OYE, _ACH, _SAWA = "Oye, ", "Ach, ", "Sawa, "


def _switch(how: str, decode: Decode) -> Callable[[Apply], Transform]:
    return transform(
        family="code_switch", side="both", kind="alter", source="CC1 §3.2", decode=decode, asks=asks_for(how)
    )


@_switch("in English with a Spanish word wherever one comes to mind", _back(_OYE, _ES))
def spanish_words(text: str, rng: np.random.Generator) -> str:
    """A word of Spanish in front, and common English words in it; the others as they were."""
    return _OYE + _exchanged(text, _ES)


@_switch("in English with a German word wherever one comes to mind", _back(_ACH, _DE))
def german_words(text: str, rng: np.random.Generator) -> str:
    """A word of German in front, and common English words in it; the others as they were."""
    return _ACH + _exchanged(text, _DE)


@_switch("in English with a Swahili word wherever one comes to mind", _back(_SAWA, _SW))
def swahili_words(text: str, rng: np.random.Generator) -> str:
    """A word of Swahili in front, and common English words in it; the others as they were."""
    return _SAWA + _exchanged(text, _SW)


def _exchanged(text: str, table: dict[str, str]) -> str:
    """`text` with the words of `table` exchanged; a capital at the start stays one."""

    def other(match: re.Match[str]) -> str:
        found = table.get(match[0].lower(), match[0])
        return found.capitalize() if match[0][0].isupper() else found

    return re.sub(r"[^\W\d_]+", other, text)

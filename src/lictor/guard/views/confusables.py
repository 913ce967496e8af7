"""Characters that look like Latin letters, and letters upside down, as data. Knows no view.

Compatibility forms (fullwidth, mathematical, circled letters) are not listed: NFKC folds them.
"""

_CYRILLIC = (
    "аa сc ԁd еe һh іi јj ӏl оo рp ԛq ѕs ԝw хx уy ѵv кk тt мm пn гr вb ьb "
    "АA ВB СC ЕE НH ІI ЈJ КK МM ОO РP ЅS ТT ХX УY ԌG ԚQ ԜW ӀI ѴV"
)
_GREEK = "αa βb εe ηn ιi κk νv οo ρp τt υu χx γy ωw ϲc ϳj ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΥY ΧX ϹC"
_ARMENIAN = "օo ոn սu ցg հh յj զq ՍU ՕO ՏS"
_SMALL_CAPITALS = "ᴀa ʙb ᴄc ᴅd ᴇe ꜰf ɢg ʜh ɪi ᴊj ᴋk ʟl ᴍm ɴn ᴏo ᴘp ꞯq ʀr ꜱs ᴛt ᴜu ᴠv ᴡw ʏy ᴢz"
_BOXED_FROM = (0x1F130, 0x1F150, 0x1F170)
_TURNED = (
    "ɐa qb ɔc pd ǝe ɟf ƃg ᵷg ɥh ᴉi ıi ɾj ʞk ʅl ꞁl ɯm un dp bq ɹr ʇt nu ʌv ʍw ʎy "
    "∀A ᗺB ƆC ᗡD ƎE ℲF ⅁G ſJ ⅂L ԀP ᴚR ⊥T ┴T ∩U ΛV ⅄Y WM MW ˙. ¿? ¡! Ɛ3 ㄥ7 96 69"
)


def _table(pairs: str) -> dict[int, str]:
    return {ord(pair[0]): pair[1] for pair in pairs.split()}


ALPHABETS = _table(f"{_CYRILLIC} {_GREEK} {_ARMENIAN}")
"""Letters of other alphabets, by code point, with the Latin letters they resemble."""

STYLED = _table(_SMALL_CAPITALS) | {start + at: chr(ord("A") + at) for start in _BOXED_FROM for at in range(26)}
"""Small capitals and boxed letters, which no alphabet has, by code point."""

TURNED = _table(_TURNED)
"""Characters given half a turn, by code point, with those they stand for. The text usually runs backwards too."""

INVISIBLE = (
    "\u00ad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufeff"
)
"""Characters without width."""

LEET = str.maketrans("43105789@$", "aeiostbgas")
"""Digits and marks, with the letters they resemble; where there are two, such as i and l for 1, the commoner one."""

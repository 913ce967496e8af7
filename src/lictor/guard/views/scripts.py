"""Read English spelt in other letters: Greek, Cyrillic or Hebrew ones, or the places of letters in the alphabet.

In: words. Out: words in Latin letters. A sign is a word that is a common English one when spelt back. Ordinary text of
a language in these alphabets seldom holds any.
"""

import re
from string import ascii_lowercase
from types import MappingProxyType

from lictor.guard.views.english import COMMON
from lictor.guard.views.words import core

SIGN_CHARS = 3

SPELLINGS = (
    "αa άa βb χc δd εe έe φf γg ηh ήh ιi ίi ϳj κk λl μm νn οo όo πp ϙq ρr σs ςs τt υu ύu ϐv ωw ώw ϝw ξx ψy ζz θt",
    "αa άa βv γg δd εe έe ζz ηi ήi θt ιi ίi κk λl μm νn ξx οo όo πp ρr σs ςs τt υy ύy φf χh ψp ωo ώo",
    "аa бb цc дd еe ёe фf гg хh иi йj кk лl мm нn оo пp қq рr сs тt уu вv ўw ҳx ыy зz іi їi јj ѕs жj чc шs щs эe яa юu",
    "аa бb вv гg дd еe ёe жj зz иi кk лl мm нn оo пp рr сs тt уu фf хx цc чc шs щs ыy йy эe яa юu іi їi ўw",
    "אa בb צc דd עe פf גg הh יi ךj קk לl מm נn סo ףp ץq רr שs תt וu םv ןw חx טy זz כk",
    "אa בb גg דd הh וo זz חh טt יi כk ךk לl מm םm נn ןn סs עe פp ףf צc ץc קk רr שs תt",
)
"""Sign for letter and by sound, for each alphabet."""


def _table(spelling: str) -> dict[int, str]:
    small = {pair[0]: pair[1] for pair in spelling.split()}
    capitals = {sign.upper(): letter.upper() for sign, letter in small.items() if sign.upper() != sign}
    return str.maketrans({**capitals, **small})


_TABLES = tuple(map(_table, SPELLINGS))
_SIGNS = tuple(frozenset(map(chr, table)) for table in _TABLES)


class Scripts:
    """Letters of another alphabet; a key is one way of spelling."""

    signs_needed = 3

    def passes(self, segment: str) -> bool:
        """Plain ASCII is no disguise."""
        return segment.isascii()

    def weigh(self, segment: str) -> tuple[int, ...] | None:
        """Spellings under which a word all of foreign letters is a common one."""
        if segment.isascii():
            return ()
        word = core(segment)
        return tuple(
            key
            for key, (table, signs) in enumerate(zip(_TABLES, _SIGNS, strict=True))
            if len(word) >= SIGN_CHARS and signs.issuperset(word) and word.translate(table) in COMMON
        )

    def guess(self, text: str) -> int | None:
        """Never: only its words give it away."""
        return None

    def decode(self, segment: str, key: int) -> str:
        """The segment in Latin letters."""
        return segment.translate(_TABLES[key])


_JOINED = re.compile(r"(?<![\w.-])(?:[1-9]|1\d|2[0-6])(?:[-.](?:[1-9]|1\d|2[0-6]))*(?![\w-])")
"""Numbers from 1 to 26, alone or joined by hyphens or dots, that are a word of their own."""
_LETTER = MappingProxyType({str(place): letter for place, letter in enumerate(ascii_lowercase, 1)})


class Places:
    """Numbers for the places of letters in the alphabet: 8-15-23 for how."""

    signs_needed = 3

    def passes(self, segment: str) -> bool:
        """A word without joined numbers is none."""
        return "-" not in segment and "." not in segment

    def weigh(self, segment: str) -> tuple[int, ...] | None:
        """One key for a common word."""
        found = _JOINED.fullmatch(core(segment))
        word = _spelt(found[0]) if found else ""
        return (0,) if len(word) >= SIGN_CHARS and word in COMMON else ()

    def guess(self, text: str) -> int | None:
        """Never: only its words give it away."""
        return None

    def decode(self, segment: str, key: int) -> str:
        """The segment with letters for its numbers; a 1 that means one turns into an a."""
        return _JOINED.sub(lambda found: _spelt(found[0]), segment)


def _spelt(numbers: str) -> str:
    return "".join(_LETTER[number] for number in re.split("[-.]", numbers))

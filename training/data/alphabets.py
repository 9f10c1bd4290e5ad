"""What voices, aligners and corpora call their sounds, translated to the phones of `training.data.phones`.

A sound becomes a few phones with shares of its time that sum to 1: diphthongs and affricates are two, what has no
mouth of its own (tone, length, marks of the corpus) is none. Unknown names raise ValueError: none is dropped silently.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from training.data.phones import INDEX_OF_PHONE, SILENCE, VOWELS, Phone

Sounds = tuple[tuple[str, float], ...]

_FIRST_VOWEL_SHARE = 0.58  # of a diphthong; what follows is reached late and shortly
_STOP_SHARE = 0.45  # of an affricate
_GLIDE_SHARE = 0.4  # of a glide and its vowel

# IPA that is not among our phones -> the phone whose mouth is most like it.
_SIMILAR_PAIRS = """
g:ɡ ɝ:ɚ ɫ:l ʀ:ʁ χ:x ɦ:h ᵻ:ɪ ɘ:ɨ ɵ:ø ɞ:œ ɶ:œ ɱ:v ɴ:ŋ ɰ:ɣ ɻ:ɹ ɽ:ɾ ɺ:ɾ ʙ:b ʝ:j ɮ:l ʟ:l ɓ:b ɗ:d ɠ:ɡ ʄ:ɡ ɟ:ɡ c:k ᶑ:ɖ ʍ:w ɧ:ʃ
ʡ:ʔ ʢ:ʕ ᵊ:ə ɿ:z ʅ:ʐ
"""
_SIMILAR = {pair[0]: pair[2] for pair in _SIMILAR_PAIRS.split()}
_NOT_A_SOUND = frozenset(" %,~²³¹⁰⁴⁵⁻⁽⁾‿͜͡一不꜔ˈˌ.'’-|‖ː:;\"^*\u200d")
_MARK_CATEGORIES = frozenset({"Mn", "Lm", "Sk"})  # combining marks, superscripts, tone letters

# The radio set of flite, festival and CMU's dictionary; stress digits are dropped before.
_RADIO = """
aa ɑ|ae æ|ah ʌ|ao ɔ|aw aʊ|ax ə|axr ɚ|ay aɪ|b b|ch tʃ|d d|dh ð|dx ɾ|eh ɛ|el əl|em əm|en ən|er ɚ|ey eɪ|f f|g ɡ|hh h
hv h|ih ɪ|ix ɪ|iy i|jh dʒ|k k|l l|m m|n n|nx n|ng ŋ|ow oʊ|oy ɔɪ|p p|r ɹ|s s|sh ʃ|t t|th θ|uh ʊ|uw u|ux ʉ|v v|w w
y j|z z|zh ʒ
"""
# The Russian unit-selection voice: doubled consonants are palatalised, doubled vowels stressed.
_MSU_RU = """
ii i|yy ɨ|uu u|ee e|oo o|aa a|a ʌ|e ɛ|i ɪ|y ɨ|u u|ae ə|ay ə|ur ʊ|p p|pp p|t t|tt t|k k|kk k|b b|bb b|d d|dd d|g ɡ|gg ɡ
f f|ff f|s s|ss s|sh ʂ|sch ɕ|h x|hh x|v v|vv v|z z|zz z|zh ʐ|c ts|ch tɕ|m m|mm m|n n|nn n|l l|ll l|r r|rr r|j j
"""
_CATALAN = """
a a|e e|E ɛ|i i|o o|O ɔ|u u|ax ə|j j|y j|w w|uw w|I j|U w|p p|b b|B β|bb b|t t|d d|D ð|k k|g ɡ|G ɣ|gg ɡ|f f|v v|s s|z z
S ʃ|Z ʒ|ts ts|dz dz|tS tʃ|dZ dʒ|m m|n n|N ŋ|J ɲ|l l|L ʎ|r ɾ|rr r|x x|ks ks|gz ɡz
"""
_ITALIAN = """
a a|e e|E ɛ|i i|o o|O ɔ|u u|j j|w w|p p|b b|t t|d d|k k|g ɡ|f f|v v|s s|z z|S ʃ|ts ts|dz dz|tS tʃ|dZ dʒ|m m|n n|ng ŋ
nf v|J ɲ|l l|L ʎ|r r
"""
_RESTS = frozenset({"pau", "#", "_", "h#", "sil", "brth", "SIL", "<sil>", "H#"})

# EmoDB's labels of German (SAMPA).
_EMODB = """
I ɪ|i i|E ɛ|e e|a a|A a|O ɔ|o o|U ʊ|u u|Y ʏ|y y|9 œ|2 ø|4 ø|@ ə|6 ɐ|X ɛ|aI aɪ|aU aʊ|AU aʊ|aO aʊ|ao aʊ|AO aʊ|OY ɔɪ|OU oʊ
H ə|p p|b b|t t|d d|k k|g ɡ|? ʔ|f f|v v|s s|z z|S ʃ|Z ʒ|C ç|x x|j j|h h|m m|n n|N ŋ|NN ŋ|l l|L l|r ʁ|R ʁ|B β|D ð|G ɣ|V ʋ
a6 aɐ|E6 ɛɐ|I6 ɪɐ|i6 iɐ|@6 ɐ|ia ia|I@ ɪə|i@ iə|e@ eə|@E əɛ|Y6 ʏɐ|@a əa|@O əɔ|J j|mm m|ss s
tasp t|kasp k|pasp p|dasp d|basp b|gasp ɡ|dsap d|gas ɡ
"""
_EMODB_REMARKS = frozenset({"", ".", "!", "hoe"})


@lru_cache(maxsize=4096)
def of_ipa(name: str) -> Sounds:
    """Phones of a sound in IPA: espeak-ng's event names, hama's tokens, dictionaries. Pauses and marks are ()."""
    letters = unicodedata.normalize("NFD", name).replace("c\u0327", "ç")
    symbols: list[str] = []
    for letter in letters:
        symbol = _SIMILAR.get(letter, letter)
        if symbol in INDEX_OF_PHONE:
            symbols.append(symbol)
        elif letter not in _NOT_A_SOUND and unicodedata.category(letter) not in _MARK_CATEGORIES:
            raise ValueError(
                f"{letter!r} in {name!r} is no IPA letter that is known here; add it to alphabets._SIMILAR"
            )
    return _shared(symbols)


def of_radio(name: str) -> Sounds:
    """Phones of a sound of flite's, festival's English voices' and CMU's alphabet, with or without stress digits."""
    return _looked_up(_RADIO_TABLE, name.lower().rstrip("012"), "radio")


def of_hama(token: str) -> Sounds:
    """Phones of one of hama's 191 tokens; () for word boundary, blank, tones, and whatever has no mouth."""
    return () if token.startswith("<") else of_ipa(token)


def of_emodb(label: str) -> Sounds:
    """Phones of a label of EmoDB's .lablaut files. `_x` (closure) and `!x` (release) are the stop x itself."""
    name = re.sub(r"[:~=%]|^[_!]+|(?<=.)[+-].*", "", label)
    return () if name in _EMODB_REMARKS or name[0] in "+-([" else _looked_up(_EMODB_TABLE, name, "EmoDB")


def of_festival(alphabet: str, name: str) -> Sounds:
    """Phones of a sound of one of festival's voices; `alphabet` is radio, msu_ru, catalan or italian."""
    if name in _RESTS:
        return ((SILENCE, 1.0),)
    if alphabet == "radio":
        return of_radio(name)
    table = _FESTIVAL_TABLES[alphabet]
    return _looked_up(table, name if name in table else name.rstrip("12"), alphabet)


def timed(sounds: Sounds, start_s: float, end_s: float, stress: int = 0) -> list[Phone]:
    """`sounds` laid out over a span of time by their shares."""
    phones, at = [], start_s
    for number, (symbol, share) in enumerate(sounds):
        until = end_s if number == len(sounds) - 1 else at + share * (end_s - start_s)
        phones.append(Phone(symbol, at, until, stress))
        at = until
    return phones


def _shared(symbols: list[str]) -> Sounds:
    if not symbols:
        return ()
    if len(symbols) == 2:
        is_vowel = [symbol in VOWELS for symbol in symbols]
        first = {
            (True, True): _FIRST_VOWEL_SHARE,
            (True, False): _FIRST_VOWEL_SHARE,
            (False, True): _GLIDE_SHARE,
            (False, False): _STOP_SHARE,
        }[is_vowel[0], is_vowel[1]]
        return ((symbols[0], first), (symbols[1], 1.0 - first))
    return tuple((symbol, 1.0 / len(symbols)) for symbol in symbols)


def _table(text: str) -> dict[str, Sounds]:
    pairs = (entry.split() for line in text.strip().splitlines() for entry in line.split("|"))
    return {name: of_ipa(ipa) for name, ipa in pairs}


def _looked_up(table: dict[str, Sounds], name: str, alphabet: str) -> Sounds:
    if name in _RESTS:
        return ((SILENCE, 1.0),)
    if name not in table:
        raise ValueError(f"{name!r} is no sound of the {alphabet} alphabet; add it to its table in alphabets")
    return table[name]


_RADIO_TABLE = _table(_RADIO)
_EMODB_TABLE = _table(_EMODB)
_FESTIVAL_TABLES = {"msu_ru": _table(_MSU_RU), "catalan": _table(_CATALAN), "italian": _table(_ITALIAN)}

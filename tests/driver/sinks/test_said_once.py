"""What happens again and again is said once."""

from driver.sinks.sink import SaidOnce


def test_each_sentence_is_said_once_until_things_change():
    said = []
    say = SaidOnce(said.append)
    for sentence in ("gone", "gone", "back", "gone"):
        say(sentence)
    assert said == ["gone", "back"]
    say.forget()
    say("gone")
    assert said == ["gone", "back", "gone"]


def test_others_cannot_fill_the_screen():
    said = []
    say = SaidOnce(said.append, most=3)
    for number in range(1000):
        say(f"{number} asks")
    assert said == ["0 asks", "1 asks", "2 asks"]

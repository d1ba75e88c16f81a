import pytest

from costream.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain name (1).mp4", "plain name (1).mp4"),
        ("[red]x[/] :smile:", "[red]x[/] :smile:"),
        ("Straße 名 🚗", "Straße 名 🚗"),
        ("a\nb\tc\rd", r"a\nb\tc\rd"),
        ("\x1b[31mred\x07\x7f", r"\x1b[31mred\x07\x7f"),
        ("\udcff\udcfe.mp4", r"\xff\xfe.mp4"),
        ("\ud800", r"\ud800"),
        ("x\u202egpj.mp4", r"x\u202egpj.mp4"),
        ("\u2028\x9b", r"\u2028\x9b"),
    ],
)
def test_what_a_terminal_would_act_on_is_escaped(text, shown):
    assert printable(text) == shown
    assert printable(text).encode()

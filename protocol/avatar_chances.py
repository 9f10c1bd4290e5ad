"""How likely the avatar codec's numbers are. Written by `python -m training.avatar_table RECORDING.adrec ...`.

Hexadecimal: for each of four quantisers two bytes a number, in 256ths: the chance of 0, and the chance that a number
which is n or more is more than n.
"""

from __future__ import annotations

_ALONE = (
    (
        "78eec2cb87c98ea24bcfe583f4db7fedc2cbb9b862bc4bcfd084f4d8fa326edba2c324ff88f0a2d5def167e991de25fc12fb"
        "d69bf2505ce85ae87de2a8dd74e077efdfb086ed59ed42ecc9b1d49659ef5bec1bfc4afbdadcece5d8d3b5e67fdf3dd181cb"
        "88d0ff8003fe03fd05fa09f209f802ff9c9f87fb5c8e667b02ff02ff02ff02ff02dd"
    ),
    (
        "85e2caa199a3ad745da7f166f6be8be2caa1cf958c975da7e35df6b8ff797abab39925fe9de8acb1e1e67dd2aecc2df619f4"
        "e87efd6d7ade72d190c9b7c28bc889dfefa595de69de54dddb8de87a68e169dc21f251f3e2caeecadeb1c3d695c459ae97a6"
        "97aaff8004fd06f80cf315e719f102ffc88392faaa71bd6702e002e002e002e002b8"
    ),
    (
        "8ec5d460a961d2397164f72bf78b96c5d460dc5bb0657164f119f785ff7c8b83c45526f9a3d3b775e2cf88aab9a533ea1ce9"
        "f149fe6486bf7ba79a9bbf91999b91c1f4769ebe73bc5cbae44bf24771c274ba25d953dae7a1ef9de276cab4a4967070a667"
        "9f60ff8005fa08f112e61dd923e502ffdc4995dbc41ada2202c002c002c002c0026d"
    ),
    (
        "9e9ae21dcb21f54ba21ffe57f954a79ce21dea3aca1ba21ffe5df847ff80a636e02627eaacb1cc29e5a69767c96d3ad423d3"
        "f929ff6a9891895fac53cc48ad589e8ff73dab8a82876e82f018f92c839387862ab558b6ef77f153ea32d583b655991fc117"
        "bd15ff8009ee0ee91ece2fb930c902ffef2199b9ee11f51a02800280028002806b3d"
    ),
)
_APART = (
    (
        "78e2d279ba86c1669479e551f2b77de3d279ce76ab759479d64af2b4f62483a8a99c24f572e892bad1ea67c383ca31d523d7"
        "d282ea486eae6bae7dada3ac6fba71cdd29c88ba5fbe4dc1c584ca7b63c163b846b167b3d6c0eac3dda1a4d98d895598a176"
        "aa77ff8013ec1ee424d95ac24bbf4fadb480c7df9867a05fff80ff80ff80ff8067c8"
    ),
    (
        "95d8e65de080e263c864f653f79d96d9e65dea71d76cc864ee3ff796ff75b08bcb7e32ee8fdeab93d6db95a8a9b25cbe4dbe"
        "ea74fb68a797a495a98ec58e9c9d98b5ea94b09f90a181a5e26fe66b90a4929982929a96e5adefa4ec8abcc7bd6a9374ce5f"
        "d862ff802be043d955ca99be86af8e94d86fd8d5cf52d553ff80ff80ff80ff8080a0"
    ),
    (
        "a4baf02feb51ef41da2afa34f861a5baf02ff455e847da2af823f965ff79c74fdc433de199c3bd53d9bbac74b97e768f6990"
        "f243fd59c062be5bc04fd452b364aa82f164c569aa699b6ded3df23ca76bad5fa659b55deb7ef36df257c79fd42bb535e229"
        "e72aff803ec75cc271a9b6aba489b060e334ddb2e318e71cff80ff80ff80ff80985a"
    ),
    (
        "b691f722f330fb51e913fe56fb41b891f722f842f531e913fe5cfb3eff80dd24ea1f4fc8a99dd818df8cc63acd4499578e55"
        "f824fe5fd72ed626db1de51fcd2ac147f73cd931c42fb92ef51cfa2dc42fca24c728cd24f35bf62ef733d468ea10d30aee11"
        "ee12ff805a9f7c9e957dca87c15ccf33f01ce482f215f61cff80ff80ff80ff80c44b"
    ),
)


def _pairs(text: str) -> tuple[tuple[int, int], ...]:
    values = bytes.fromhex(text)
    return tuple(zip(values[::2], values[1::2], strict=True))


# [quantiser][number] -> (zero, more); of key frames, and of the differences to one.
KEY_CHANCES = tuple(map(_pairs, _ALONE))
DIFFERENCE_CHANCES = tuple(map(_pairs, _APART))

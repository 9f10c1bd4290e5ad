"""The Unity client's types, written from the same table as the codecs: `python -m protocol.csharp`."""

from __future__ import annotations

import base64
import textwrap
from pathlib import Path

from protocol.frame import ARKIT_SHAPES, PARTS, REGIONS, SCHEMA_VERSION, Part
from protocol.golden.frames import frames
from protocol.golden.packets import HELLO
from protocol.msgpack_codec import encode, encode_hello

_ROOT = Path(__file__).parents[1]
PACKAGE = _ROOT / "unity_example" / "Packages" / "com.avatardriver.client"

_NOTE = "// Written by `python -m protocol.csharp`. Change the table in protocol/frame.py, not this file.\n\n"


def files() -> dict[Path, str]:
    """All generated files, by path, with their text."""
    return {
        PACKAGE / "Runtime" / "Core" / "Channel.cs": _NOTE + _channels(),
        PACKAGE / "Runtime" / "Core" / "ArkitShape.cs": _NOTE + _arkit_shapes(),
        PACKAGE / "Runtime" / "Core" / "FaceFrame.cs": _NOTE + _face_frame(),
        PACKAGE / "Tests" / "EditMode" / "GoldenPackets.cs": _NOTE + _golden_packets(),
    }


def _pascal(name: str) -> str:
    return "".join(word[0].upper() + word[1:] for word in name.split("_"))


def _indented(lines: list[str], depth: int) -> str:
    return "\n".join(textwrap.indent(line, "    " * depth) for line in lines)


def _enum(name: str, summary: str, members: list[str]) -> str:
    return f"""\
    /// <summary>{summary}</summary>
    public enum {name}
    {{
{_indented([f"{member}," for member in members], 2)}
    }}
"""


def _channels() -> str:
    rows = [
        f'new ChannelInfo("{part.name}", {part.size}, {part.minimum!r}, {part.maximum!r}, '
        f"{str(part.is_optional).lower()}),"
        for part in PARTS
    ]
    return f"""\
namespace AvatarDriver
{{
{_enum("Channel", "The parts of a face, in the order of the table in PROTOCOL.md.", [_pascal(p.name) for p in PARTS])}
{_enum("Region", "The regions that FaceFrame.Confidence speaks of, in its order.", [_pascal(name) for name in REGIONS])}
    /// <summary>One row of the table: a name on the wire, the number of float values and the range of each.</summary>
    public sealed class ChannelInfo
    {{
        public readonly string Name;
        public readonly int Size;
        public readonly double Minimum;
        public readonly double Maximum;
        public readonly bool IsOptional;

        ChannelInfo(string name, int size, double minimum, double maximum, bool isOptional)
        {{
            Name = name;
            Size = size;
            Minimum = minimum;
            Maximum = maximum;
            IsOptional = isOptional;
        }}

        /// <summary>The table, indexed by <see cref="Channel"/>.</summary>
        public static readonly ChannelInfo[] All =
        {{
{_indented(rows, 3)}
        }};
    }}
}}
"""


def _arkit_shapes() -> str:
    shapes = [_pascal(name) for name in ARKIT_SHAPES]
    return f"""\
namespace AvatarDriver
{{
{_enum("ArkitShape", "Apple's blendshapes, in the order of FaceFrame.Arkit.", shapes)}}}
"""


def _face_frame() -> str:
    properties = [line for part in PARTS for line in _property(part)]
    return f"""\
namespace AvatarDriver
{{
    /// <summary>
    /// One face. Axes as on the wire: metres, right-handed, +Y up, +Z out of the face, +X to the subject's left;
    /// AxisConversion turns them into Unity's. Filled anew by each decoding; copy what you keep.
    /// </summary>
    public sealed class FaceFrame
    {{
        public const int SchemaVersion = {SCHEMA_VERSION};

        readonly float[][] _values = new float[ChannelInfo.All.Length][];

        public FaceFrame()
        {{
            for (int channel = 0; channel < _values.Length; channel++)
                _values[channel] = new float[ChannelInfo.All[channel].Size];
        }}

        /// <summary>Counts frames of one sender, +1 each.</summary>
        public long Seq;

        /// <summary>When the oldest of the newest sensor data was taken, ns of the sender's monotonic clock.</summary>
        public long CaptureNs;

        /// <summary>When the frame was sent, ns of the sender's monotonic clock.</summary>
        public long PublishNs;

        /// <summary>Id of the head model that Expression, Jaw, Shape and Detail belong to.</summary>
        public string Head = "";

        /// <summary>False while the sender has not told the identity; Shape is then meaningless.</summary>
        public bool HasShape;

        /// <summary>False while the sender has not told the wrinkles' code; Detail is then meaningless.</summary>
        public bool HasDetail;

        /// <summary>The values of a channel; always the same array.</summary>
        public float[] this[Channel channel] => _values[(int)channel];

        /// <summary>The weight of one ARKit shape, 0..1.</summary>
        public float this[ArkitShape shape] => Arkit[(int)shape];

{_indented(properties, 2)}
    }}
}}
"""


def _property(part: Part) -> list[str]:
    summary = f"/// <summary>{_pascal(part.name)} [{part.size}], {part.unit}: {part.meaning}.</summary>"
    if part.is_scalar:
        summary = f"/// <summary>{part.unit}: {part.meaning}.</summary>"
        return [summary, f"public float {_pascal(part.name)} => this[Channel.{_pascal(part.name)}][0];"]
    return [summary, f"public float[] {_pascal(part.name)} => this[Channel.{_pascal(part.name)}];"]


def _golden_packets() -> str:
    packets = {f"Face{_pascal(name)}": encode(frame) for name, frame in frames().items()}
    packets["Hello"] = encode_hello(HELLO)
    constants: list[str] = []
    for name, packet in packets.items():
        lines = textwrap.wrap(base64.b64encode(packet).decode(), 100)
        text = " +\n".join(f'    "{line}"' for line in lines)
        constants.append(f"public static readonly byte[] {name} = System.Convert.FromBase64String(\n{text});\n")
    return f"""\
namespace AvatarDriver.Tests
{{
    /// <summary>The bytes of protocol/golden, for tests that run inside Unity.</summary>
    static class GoldenPackets
    {{
{_indented(constants, 2).rstrip()}
    }}
}}
"""


def main() -> None:
    """Write all generated files."""
    for path, text in files().items():
        path.write_text(text, encoding="utf-8", newline="\n")
        print(path.relative_to(_ROOT))


if __name__ == "__main__":
    main()
